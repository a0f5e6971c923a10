"""Select the layers to edit (paper, section 3), or a control's."""

import pandas as pd

from stethoscope.jobs import job
from stethoscope.provenance import read_json, write_json
from stethoscope.selection import select

with job(snakemake) as progress:
    settings = dict(snakemake.params.settings)
    described = dict(settings)
    by = settings.pop("by")
    if by == "specificity":
        del settings["sae"], settings["subject"]
        settings["table"] = pd.read_csv(snakemake.input.table, sep="\t")
    if by == "random":
        settings["like"] = read_json(snakemake.input.like)["layers"]
    layers = select(by, snakemake.params.n_layers, **settings)
    selection = {"selection": snakemake.wildcards.selection, "layers": layers, **described}
    write_json(snakemake.output[0], selection)
    progress(f"layers {', '.join(map(str, layers))}")
