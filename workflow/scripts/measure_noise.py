"""How many answers change when only the batch size does (paper, section 6.2)."""

from stethoscope.evaluation.answers import read_answers
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run
from stethoscope.statistics.sweeps import noise_table


def main(inputs, outputs, params, progress) -> None:
    subjects = params.subjects
    first = read_answers(inputs.test, subjects)
    second = read_answers(inputs.noise, subjects)
    table = noise_table(first, second, params.batch_size)
    write_table(outputs[0], table)
    progress(f"{table['answers_differ'].sum()} of {len(second)} answers differ")


if __name__ == "__main__":
    run(main)
