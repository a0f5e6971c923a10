"""How the task vectors that edits merge meet in the edited layers (paper, appendix E)."""

from pathlib import Path

import pandas as pd

from stethoscope.edits.merging import interference
from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import job, seed_of
from stethoscope.study.queries import concrete_selections
from stethoscope.task_vectors.task_vector import TaskVector

COLUMNS = [
    "seed", "first", "second", "selection", "layer", "density", "cosine", "overlap",
    "sign_conflict", "norm_first", "norm_second",
]  # fmt: skip

with job(snakemake) as progress:
    vectors = {
        (seed_of(path), Path(path).stem): TaskVector.load(path) for path in snakemake.input.vectors
    }
    layers = {
        (seed_of(path), name): found["layers"]
        for path in snakemake.input.selections
        for name, found in concrete_selections(read_json(path)).items()
    }
    rows = []
    for seed in snakemake.params.seeds:
        for first, second, selection, density in snakemake.params.pairs:
            pair = (
                vectors[seed, name].in_layers(layers[seed, selection]) for name in (first, second)
            )
            about = {"seed": seed, "first": first, "second": second, "selection": selection}
            rows += [{**about, **row} for row in interference(*pair, density)]
    write_table(snakemake.output[0], pd.DataFrame(rows, columns=COLUMNS))
    progress(f"{len(snakemake.params.pairs)} pairs of task vectors in each seed")
