"""SAE quality and specificity of every layer, subject and seed in one table each."""

from itertools import product

import pandas as pd

from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, progress) -> None:
    layers = [read_json(path)["layers"] for path in inputs.selections]
    chosen = dict(zip(params.seeds, layers, strict=True))
    saes, specificity = [], []
    for (sae, seed), path in zip(product(params.saes, params.seeds), inputs.quality, strict=True):
        table = pd.read_csv(path, sep="\t")
        table.insert(0, "seed", seed)
        table.insert(1, "sae", sae)
        saes.append(table)
    keys = product(params.saes, params.subjects, params.seeds)
    for (sae, subject, seed), path in zip(keys, inputs.specificity, strict=True):
        table = pd.read_csv(path, sep="\t")
        table.insert(0, "seed", seed)
        table.insert(1, "sae", sae)
        table.insert(2, "subject", subject)
        selected = table["layer"].isin(chosen[seed]) & (subject == params.target)
        specificity.append(table.assign(selected=selected.astype(int)))
    for tables, output in ((saes, "saes"), (specificity, "specificity")):
        write_table(outputs[output], pd.concat(tables))
    progress(f"{len(chosen)} seeds")


if __name__ == "__main__":
    run(main)
