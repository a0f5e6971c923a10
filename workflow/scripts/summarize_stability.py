"""How far SP can be trusted, of the target in every seed and SAE, in one table of each kind."""

from itertools import product

import pandas as pd

from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, progress) -> None:
    for name, output in outputs.items():
        tables = []
        for (sae, seed), path in zip(product(params.saes, params.seeds), inputs[name], strict=True):
            table = pd.read_csv(path, sep="\t")
            about = {"seed": seed, "sae": sae, "subject": params.target}
            for place, (column, value) in enumerate(about.items()):
                table.insert(place, column, value)
            tables.append(table)
        write_table(output, pd.concat(tables))
    progress(f"{len(inputs)} tables")


if __name__ == "__main__":
    run(main)
