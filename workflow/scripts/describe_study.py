"""Write down the study as it was read, and a table of its edits: who is who in other tables."""

import pandas as pd

from stethoscope.runtime.files import write_json, write_table
from stethoscope.runtime.jobs import job
from stethoscope.study.edit_table import edit_table

with job(snakemake) as progress:
    study, outputs = snakemake.params.study, snakemake.output
    table = pd.DataFrame(edit_table(study), dtype=object)  # a draw that is missing stays empty
    write_json(outputs.study, study)
    write_table(outputs.edits, table)
    progress(f"{len(table)} edits")
