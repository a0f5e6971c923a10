"""Measure by how much each layer of a task vector lowers the loss on a subject's probe problems."""

from pathlib import Path

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.models.loss import solution_batches
from stethoscope.problems.records import of_subject, read_problems
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job
from stethoscope.selection.loss_gains import layer_gains
from stethoscope.task_vectors.task_vector import TaskVector, check_base

with job(snakemake) as progress:
    base = Path(snakemake.input.model).parent
    vector = TaskVector.load(snakemake.input.vector)
    check_base(vector, base, snakemake.input.vector)
    problems = of_subject(read_problems(snakemake.input.problems), snakemake.wildcards.subject)
    batches = solution_batches(load_tokenizer(base), problems)
    model = load_model(base).to(snakemake.params.device)
    table = layer_gains(model, batches, vector, snakemake.params.n_layers)
    write_table(snakemake.output[0], table)
    progress(f"loss {table['loss_base'][0]:.3f}, with all layers {table['loss_full'][0]:.3f}")
