"""How far SP can be trusted, of the target in every seed and SAE, in one table of each kind."""

from pathlib import Path

import pandas as pd

from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run, seed_of


def main(inputs, outputs, progress) -> None:
    paths = [Path(path) for path in inputs]
    for name, output in outputs.items():
        tables = []
        for path in paths:
            subject, kind = path.stem.split(".")
            if kind == name:
                table = pd.read_csv(path, sep="\t")
                about = {"seed": seed_of(path), "sae": path.parent.name, "subject": subject}
                for place, (column, value) in enumerate(about.items()):
                    table.insert(place, column, value)
                tables.append(table)
        write_table(output, pd.concat(tables))
    progress(f"{len(paths)} tables")


if __name__ == "__main__":
    run(main)
