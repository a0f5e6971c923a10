"""Interference of merged task vectors in the edited layers (paper, appendix E)."""

from itertools import product

import pandas as pd

from stethoscope.edits.merging import interference
from stethoscope.names import SelectionId, selection_name, sets_by_draw
from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run
from stethoscope.task_vectors.task_vector import TaskVector

COLUMNS = [
    "seed", "first", "second", "selection", "layer", "density", "cosine", "overlap",
    "sign_conflict", "norm_first", "norm_second",
]  # fmt: skip


def main(inputs, outputs, params, progress) -> None:
    keys = product(params.vectors, params.seeds)
    vectors = dict(zip(keys, map(TaskVector.load, inputs.vectors), strict=True))
    keys = product(params.selections, params.seeds)
    sets = dict(zip(keys, map(sets_by_draw, map(read_json, inputs.selections)), strict=True))
    rows = []
    for seed, merged in product(params.seeds, params.pairs):
        first, second, name, draw = (
            merged[key] for key in ("first", "second", "selection", "draw")
        )
        layers = sets[name, seed][draw]["layers"]
        pair = (vectors[vector, seed].in_layers(layers) for vector in (first, second))
        identity = {"seed": seed, "first": first, "second": second}
        identity["selection"] = selection_name(SelectionId(name, draw))
        rows += [{**identity, **row} for row in interference(*pair, merged["density"])]
    write_table(outputs[0], pd.DataFrame(rows, columns=COLUMNS))
    progress(f"{len(params.pairs)} pairs of task vectors in each seed")


if __name__ == "__main__":
    run(main)
