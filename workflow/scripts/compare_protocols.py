"""How edits do under each protocol, and how much of a gain is answers that are no longer cut."""

from stethoscope.evaluation.answers import read_answers
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job
from stethoscope.statistics.protocols import MAIN, protocols_table

with job(snakemake) as progress:
    subjects, asked = snakemake.params.subjects, snakemake.params.protocols
    main = read_answers(snakemake.input.test, subjects)
    answers = {name: read_answers(snakemake.input[name], subjects) for name in asked}
    table = protocols_table({MAIN: main, **answers} if asked else {})
    write_table(snakemake.output[0], table)
    progress(f"{len(asked)} protocols beside the study's own")
