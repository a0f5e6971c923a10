"""Robustness of SP for the target over all seeds and SAEs, one table of each kind."""

from itertools import product

import pandas as pd

from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, progress) -> None:
    for name, output in outputs.items():
        tables = []
        for (sae, seed), path in zip(product(params.saes, params.seeds), inputs[name], strict=True):
            table = pd.read_csv(path, sep="\t")
            for column, value in (("subject", params.target), ("sae", sae), ("seed", seed)):
                table.insert(0, column, value)
            tables.append(table)
        write_table(output, pd.concat(tables))
    progress(f"{len(inputs)} tables")


if __name__ == "__main__":
    run(main)
