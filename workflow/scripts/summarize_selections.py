"""Every selection of layers beside ours: layers, scores, and what the scores go with."""

from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import job, seed_of
from stethoscope.statistics.selectors import layers_table, selectors_table
from stethoscope.study.queries import concrete_selections

with job(snakemake) as progress:
    selections = []
    for path in snakemake.input:
        selection = read_json(path)
        for name, found in concrete_selections(selection).items():
            about = {"seed": seed_of(path), "selection": name, "by": selection["by"]}
            selections.append({**found, **about})
    tables = {
        "layers": layers_table(selections, snakemake.params.n_layers),
        "selectors": selectors_table(selections, snakemake.params.ours),
    }
    for name, table in tables.items():
        write_table(snakemake.output[name], table)
    progress(f"{len(selections)} selections")
