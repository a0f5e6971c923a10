"""Write down the study as it was read: defaults filled in, assumptions listed."""

from stethoscope.jobs import job
from stethoscope.provenance import write_json

with job(snakemake):
    write_json(snakemake.output[0], snakemake.params.study)
