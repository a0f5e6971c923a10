"""Write down the study as it was read: defaults filled in, assumptions listed."""

from stethoscope.runtime.files import write_json
from stethoscope.runtime.jobs import job

with job(snakemake):
    write_json(snakemake.output[0], snakemake.params.study)
