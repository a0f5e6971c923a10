"""Hold what the paper says against its own tables, one row a check."""

import pandas as pd

from stethoscope.published.consistency import published_checks
from stethoscope.published.record import TABLES, Record
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job

with job(snakemake) as progress:
    record = Record(
        text_claims=pd.read_csv(snakemake.input.text_claims, dtype=str),
        **{name: pd.read_csv(snakemake.input[name]) for name in TABLES},
    )
    table = published_checks(record)
    write_table(snakemake.output[0], table)
    progress(f"{len(table)} checks")
