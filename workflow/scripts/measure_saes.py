"""Measure on a sample of probe problems how well published SAEs fit the base model."""

from pathlib import Path

import pandas as pd
import torch

from stethoscope.activations import residuals, sae_quality
from stethoscope.data import full_text, read_problems
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import write_table
from stethoscope.saes import load_decoder, load_encoder

SAMPLED_TEXTS = 32  # some thousand tokens: the residuals of all layers are held at once

with job(snakemake) as progress:
    base = Path(snakemake.input.model).parent
    texts = list(map(full_text, read_problems(snakemake.input.probe)))
    texts = texts[:: max(1, len(texts) // SAMPLED_TEXTS)]
    model = load_model(base, getattr(torch, snakemake.params.dtype)).to(snakemake.params.device)
    parts = [part for _, part in residuals(model, load_tokenizer(base), texts)]
    rows = []
    for layer, path in enumerate(snakemake.input.saes):
        folder, stream = Path(path).parent, torch.cat([part.pop(layer) for part in parts])
        quality = sae_quality(load_encoder(folder), load_decoder(folder), stream)
        rows.append({"layer": layer, **quality})
        progress(
            "layer {layer}: explained variance {explained_variance:.3f}, L0 {l0:.1f}, "
            "dead {dead_share:.0%}".format(**rows[-1])
        )
    write_table(snakemake.output.quality, pd.DataFrame(rows))
