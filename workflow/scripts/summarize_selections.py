"""Every selection of layers beside ours: layers, scores, and what the scores go with."""

from stethoscope.bench import layers_table, selectors_table
from stethoscope.jobs import job, seed_of
from stethoscope.provenance import read_json, write_table

with job(snakemake) as progress:
    selections = [{**read_json(path), "seed": seed_of(path)} for path in snakemake.input]
    tables = {
        "layers": layers_table(selections, snakemake.params.n_layers),
        "selectors": selectors_table(selections, snakemake.params.ours),
    }
    for name, table in tables.items():
        write_table(snakemake.output[name], table)
    progress(f"{len(selections)} selections")
