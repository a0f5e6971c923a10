"""Measure on a sample of probe problems how well published SAEs fit the base model."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.problems.records import full_text, read_problems
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job
from stethoscope.saes.activations import (
    quality_line,
    residuals,
    sae_quality,
    sample,
    store_residuals,
)

SAMPLED_TEXTS = 32  # some thousand tokens: the features of all of them are held at once

with job(snakemake) as progress, TemporaryDirectory(dir=snakemake.resources.tmpdir) as scratch:
    base = Path(snakemake.input.model).parent
    texts = sample(list(map(full_text, read_problems(snakemake.input.probe))), SAMPLED_TEXTS)
    model = load_model(base, getattr(torch, snakemake.params.dtype)).to(snakemake.params.device)
    stored = store_residuals(residuals(model, load_tokenizer(base), texts), Path(scratch))
    del model
    rows = []
    for layer, path in enumerate(snakemake.input.saes):
        quality = sae_quality(Path(path).parent, stored.all_of(layer))
        rows.append({"layer": layer, **quality})
        progress(quality_line(layer, quality))
    write_table(snakemake.output.quality, pd.DataFrame(rows))
