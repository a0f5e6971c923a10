"""SAE quality and specificity of every layer, subject and seed in one table each."""

from pathlib import Path

import pandas as pd

from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run, seed_of


def main(inputs, outputs, params, progress) -> None:
    target = params.target
    chosen = {seed_of(path): read_json(path)["layers"] for path in inputs.selections}
    saes, specificity = [], []
    for path in inputs.quality:
        table = pd.read_csv(path, sep="\t")
        table.insert(0, "seed", seed_of(path))
        table.insert(1, "sae", Path(path).parent.name)
        saes.append(table)
    for path in inputs.specificity:
        table, subject = pd.read_csv(path, sep="\t"), Path(path).stem
        table.insert(0, "seed", seed_of(path))
        table.insert(1, "sae", Path(path).parent.name)
        table.insert(2, "subject", subject)
        selected = table["layer"].isin(chosen[seed_of(path)]) & (subject == target)
        specificity.append(table.assign(selected=selected.astype(int)))
    for tables, output in ((saes, "saes"), (specificity, "specificity")):
        write_table(outputs[output], pd.concat(tables))
    progress(f"{len(chosen)} seeds")


if __name__ == "__main__":
    run(main)
