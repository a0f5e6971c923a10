"""Every selection of layers beside ours: layers, scores, and what the scores go with."""

from pathlib import Path

from stethoscope.bench import layers_table, selectors_table
from stethoscope.jobs import job
from stethoscope.provenance import atomic_path, read_json

with job(snakemake) as progress:
    selections = [
        {**read_json(path), "seed": int(Path(path).parents[1].name.removeprefix("seed-"))}
        for path in snakemake.input
    ]
    tables = {
        "layers": layers_table(selections, snakemake.params.n_layers),
        "selectors": selectors_table(selections, snakemake.params.ours),
    }
    for name, table in tables.items():
        with atomic_path(snakemake.output[name]) as path:
            table.to_csv(path, sep="\t", index=False)
    progress(f"{len(selections)} selections")
