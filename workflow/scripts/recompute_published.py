"""Recompute z, p and #Sig of the published Table 1 from its percentages and test-set sizes."""

import pandas as pd

from stethoscope.published.recompute import published_table1
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job

with job(snakemake) as progress:
    table = published_table1(
        pd.read_csv(snakemake.input.table1), pd.read_csv(snakemake.input.sizes)
    )
    write_table(snakemake.output[0], table)
    progress(f"{len(table)} comparisons")
