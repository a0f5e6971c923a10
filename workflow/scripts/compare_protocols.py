"""How edits do under each protocol, and how much of a gain is answers that are no longer cut."""

from stethoscope.evaluation.answers import read_answers
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run
from stethoscope.statistics.protocols import MAIN, protocols_table


def main(inputs, outputs, params, progress) -> None:
    subjects, asked = params.subjects, params.protocols
    main = read_answers(inputs.test, subjects)
    answers = {name: read_answers(inputs[name], subjects) for name in asked}
    table = protocols_table({MAIN: main, **answers} if asked else {})
    write_table(outputs[0], table)
    progress(f"{len(asked)} protocols beside the study's own")


if __name__ == "__main__":
    run(main)
