"""How far SP can be trusted, of the target in every seed and SAE, in one table of each kind."""

from pathlib import Path

import pandas as pd

from stethoscope.jobs import job
from stethoscope.provenance import atomic_path


def seed_of(path: Path) -> int:
    """The seed whose folder a result lies in."""
    return next(int(part[5:]) for part in path.parts if part.startswith("seed-"))


with job(snakemake) as progress:
    paths = [Path(path) for path in snakemake.input]
    for name, output in snakemake.output.items():
        tables = []
        for path in paths:
            subject, kind = path.stem.split(".")
            if kind == name:
                table = pd.read_csv(path, sep="\t")
                about = {"seed": seed_of(path), "sae": path.parent.name, "subject": subject}
                for place, (column, value) in enumerate(about.items()):
                    table.insert(place, column, value)
                tables.append(table)
        with atomic_path(output) as temporary:
            pd.concat(tables).to_csv(temporary, sep="\t", index=False)
    progress(f"{len(paths)} tables")
