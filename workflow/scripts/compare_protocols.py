"""Gains of edits under each protocol, and the share of them that is answers no longer cut."""

from stethoscope.evaluation.answers import read_answers
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run
from stethoscope.statistics.protocols import MAIN, protocols_table


def main(inputs, outputs, params, progress) -> None:
    paths = {MAIN: inputs.test} | {name: inputs[name] for name in params.protocols}
    answers = {name: read_answers(paths[name], params.subjects) for name in paths}
    table = protocols_table(answers if params.protocols else {})
    write_table(outputs[0], table)
    progress(f"{len(params.protocols)} protocols beside the study's own")


if __name__ == "__main__":
    run(main)
