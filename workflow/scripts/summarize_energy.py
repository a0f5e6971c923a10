"""Energy of each edit at its chosen alpha: of the vector, kept, landed (paper, section 5.4).

Edits that are not evaluated have no chosen alpha and stand there at each of theirs.
"""

from pathlib import Path

import pandas as pd

from stethoscope.edits.editing import energy_summary
from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run, seed_of


def main(inputs, outputs, progress) -> None:
    folders = []
    for path in map(Path, inputs.alphas):
        for edit, choice in read_json(path)["edits"].items():
            folders.append(path.parents[1] / "edits" / edit / f"alpha-{choice['chosen']}")
    for path in map(Path, inputs.unevaluated):
        folders += [path.parent / place for place in read_json(path)["written"]]
    rows = []
    for folder in folders:
        record = read_json(folder / "edit.json")
        summary = energy_summary(pd.read_csv(folder / "energy.tsv", sep="\t"))
        rows.append(
            {"seed": seed_of(folder), "edit": record["edit"], "alpha": record["alpha"], **summary}
        )
    table = pd.DataFrame(rows)
    write_table(outputs[0], table)
    progress(f"{len(table)} edits")


if __name__ == "__main__":
    run(main)
