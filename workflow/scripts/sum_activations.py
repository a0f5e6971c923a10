"""Sum the SAE features' activations over each probe problem, in every layer.

The residuals of all layers wait in a temporary folder (Snakemake's resource tmpdir): the model is
gone when the first SAE is read, and one SAE when the next is.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.problems.records import full_text, read_problems, subject_indices
from stethoscope.runtime.files import atomic_path
from stethoscope.runtime.jobs import job
from stethoscope.saes.activations import residuals, store_residuals, sum_by_problem
from stethoscope.saes.formats import load_encoder

with job(snakemake) as progress, TemporaryDirectory(dir=snakemake.resources.tmpdir) as scratch:
    base, device = Path(snakemake.input.model).parent, snakemake.params.device
    problems = read_problems(snakemake.input.problems)
    subjects = subject_indices(problems, snakemake.params.subjects)
    model, tokenizer = (
        load_model(base, getattr(torch, snakemake.params.dtype)).to(device),
        load_tokenizer(base),
    )
    streams = residuals(model, tokenizer, list(map(full_text, problems)))
    stored = store_residuals(streams, Path(scratch))
    del model, streams
    for layer, (sae, output) in enumerate(zip(snakemake.input.saes, snakemake.output, strict=True)):
        encoder = load_encoder(Path(sae).parent)
        sums = sum_by_problem(stored.of_layer(layer), subjects, encoder, device)
        with atomic_path(output) as path:
            sums.save(path)
    progress(f"{len(problems)} problems, {int(sums.tokens.sum())} tokens")
