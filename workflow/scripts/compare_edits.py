"""Accuracy of each edit and paired comparisons on the same test problems (paper, section 4)."""

import pandas as pd

from stethoscope.evaluation.answers import read_answers
from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run
from stethoscope.statistics.paired import accuracy, comparisons


def main(inputs, outputs, params, progress) -> None:
    target = params.target
    chosen = [read_json(path) for path in inputs.alphas]
    samples = read_answers(inputs.evaluations, params.subjects)
    references = [(name, None) for name in params.references]
    tables = {
        "accuracy": accuracy(samples, target),
        "comparisons": comparisons(samples, references, target),
        "alphas": pd.DataFrame(
            [
                {
                    "seed": record["seed"],
                    "edit": edit,
                    **tried,
                    "accuracy": tried["correct"] / tried["n"],
                    "chosen": int(tried["alpha"] == grid["chosen"]),
                }
                for record in chosen
                for edit, grid in record["edits"].items()
                for tried in grid["grid"]
            ]
        ),
    }
    for name, table in tables.items():
        write_table(outputs[name], table)
    progress(f"{len(samples)} answers, {len(tables['comparisons'])} comparisons")


if __name__ == "__main__":
    run(main)
