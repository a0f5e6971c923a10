"""Energy of each edit at its chosen alpha: of the vector, kept, landed (paper, section 5.4).

Edits that are not evaluated have no chosen alpha; they have a row at each alpha.
"""

from pathlib import Path

import pandas as pd

from stethoscope.edits.energy import energy_summary
from stethoscope.evaluation.alpha_choice import chosen_edits
from stethoscope.names import EditId, edit_folder, edit_name
from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run


def main(inputs, outputs, progress) -> None:
    edits = []
    for alphas, listed in zip(inputs.alphas, inputs.edits, strict=True):
        chosen = read_json(alphas)
        edits += [(listed, chosen["seed"], edit) for edit in chosen_edits(chosen["edits"])]
    for listed in inputs.unevaluated:
        built = read_json(listed)
        records = built["written"].values()
        edits += [(listed, built["seed"], EditId.of(record)) for record in records]
    rows = []
    for listed, seed, edit in edits:
        record = pd.read_csv(Path(listed).parent / edit_folder(edit) / "energy.tsv", sep="\t")
        identity = {"seed": seed, "edit": edit_name(edit), "alpha": edit.alpha}
        rows.append({**identity, **energy_summary(record)})
    table = pd.DataFrame(rows)
    write_table(outputs[0], table)
    progress(f"{len(table)} edits")


if __name__ == "__main__":
    run(main)
