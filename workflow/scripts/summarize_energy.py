"""Energy of each edit at its chosen alpha: of the vector, kept, landed (paper, section 5.4)."""

from pathlib import Path

import pandas as pd

from stethoscope.editing import energy_summary
from stethoscope.jobs import job
from stethoscope.provenance import atomic_path, read_json

with job(snakemake) as progress:
    rows = []
    for path in map(Path, snakemake.input.alphas):
        record = read_json(path)
        for edit, choice in record["edits"].items():
            folder = path.parents[1] / "edits" / edit / f"alpha-{choice['chosen']}"
            summary = energy_summary(pd.read_csv(folder / "energy.tsv", sep="\t"))
            rows.append(
                {"seed": record["seed"], "edit": edit, "alpha": choice["chosen"], **summary}
            )
    table = pd.DataFrame(rows)
    with atomic_path(snakemake.output[0]) as path:
        table.to_csv(path, sep="\t", index=False)
    progress(f"{len(table)} edits")
