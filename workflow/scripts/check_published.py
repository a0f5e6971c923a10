"""Hold what the paper says against its own tables, one row a check."""

import pandas as pd

from stethoscope.consistency import published_checks
from stethoscope.jobs import job
from stethoscope.provenance import atomic_path
from stethoscope.record import TABLES, Record

with job(snakemake) as progress:
    record = Record(
        text_claims=pd.read_csv(snakemake.input.text_claims, dtype=str),
        **{name: pd.read_csv(snakemake.input[name]) for name in TABLES},
    )
    table = published_checks(record)
    with atomic_path(snakemake.output[0]) as path:
        table.to_csv(path, sep="\t", index=False)
    progress(f"{len(table)} checks")
