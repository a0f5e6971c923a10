"""How the task vectors that edits merge meet in the edited layers (paper, appendix E)."""

from pathlib import Path

import pandas as pd

from stethoscope.edits.merging import interference
from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run, seed_of
from stethoscope.study.queries import concrete_selections
from stethoscope.task_vectors.task_vector import TaskVector

COLUMNS = [
    "seed", "first", "second", "selection", "layer", "density", "cosine", "overlap",
    "sign_conflict", "norm_first", "norm_second",
]  # fmt: skip


def main(inputs, outputs, params, progress) -> None:
    vectors = {(seed_of(path), Path(path).stem): TaskVector.load(path) for path in inputs.vectors}
    layers = {
        (seed_of(path), name): found["layers"]
        for path in inputs.selections
        for name, found in concrete_selections(read_json(path)).items()
    }
    rows = []
    for seed in params.seeds:
        for first, second, selection, density in params.pairs:
            pair = (
                vectors[seed, name].in_layers(layers[seed, selection]) for name in (first, second)
            )
            about = {"seed": seed, "first": first, "second": second, "selection": selection}
            rows += [{**about, **row} for row in interference(*pair, density)]
    write_table(outputs[0], pd.DataFrame(rows, columns=COLUMNS))
    progress(f"{len(params.pairs)} pairs of task vectors in each seed")


if __name__ == "__main__":
    run(main)
