"""Measure the decrease of the loss due to each layer of a task vector on probe problems."""

from pathlib import Path

from stethoscope.evaluation.loss_gains import layer_gains
from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.models.loss import solution_batches
from stethoscope.problems.records import of_subject, read_problems
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run
from stethoscope.task_vectors.task_vector import TaskVector, check_base


def main(inputs, outputs, params, wildcards, progress) -> None:
    base = Path(inputs.model).parent
    vector = TaskVector.load(inputs.vector)
    check_base(vector, base, inputs.vector)
    problems = of_subject(read_problems(inputs.problems), wildcards.subject)
    batches = solution_batches(load_tokenizer(base), problems)
    model = load_model(base).to(params.device)
    table = layer_gains(model, batches, vector, params.n_layers)
    write_table(outputs[0], table)
    progress(f"loss {table['loss_base'][0]:.3f}, with all layers {table['loss_full'][0]:.3f}")


if __name__ == "__main__":
    run(main)
