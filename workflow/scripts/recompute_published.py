"""Recompute z, p and #Sig of the published Table 1 from its percentages and test-set sizes."""

import pandas as pd

from stethoscope.jobs import job
from stethoscope.provenance import atomic_path
from stethoscope.published import published_table1

with job(snakemake) as progress:
    table = published_table1(
        pd.read_csv(snakemake.input.table1), pd.read_csv(snakemake.input.sizes)
    )
    with atomic_path(snakemake.output[0]) as path:
        table.to_csv(path, sep="\t", index=False)
    progress(f"{len(table)} comparisons")
