"""Join the stability tables of the target's SP over seeds and SAEs, one table of each kind."""

from itertools import product

import pandas as pd

from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, progress) -> None:
    for name, output in outputs.items():
        tables = []
        for (sae, seed), path in zip(product(params.saes, params.seeds), inputs[name], strict=True):
            table = pd.read_csv(path, sep="\t")
            identity = {"seed": seed, "sae": sae, "subject": params.target}
            for position, (column, value) in enumerate(identity.items()):
                table.insert(position, column, value)
            tables.append(table)
        write_table(output, pd.concat(tables))
    progress(f"{len(inputs)} tables")


if __name__ == "__main__":
    run(main)
