"""How many answers change when only the batch size does (paper, section 6.2)."""

from stethoscope.evaluation.answers import read_answers
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job
from stethoscope.statistics.sweeps import noise_table

with job(snakemake) as progress:
    subjects = snakemake.params.subjects
    first = read_answers(snakemake.input.test, subjects)
    second = read_answers(snakemake.input.noise, subjects)
    table = noise_table(first, second, snakemake.params.batch_size)
    write_table(snakemake.output[0], table)
    progress(f"{table['answers_differ'].sum()} of {len(second)} answers differ")
