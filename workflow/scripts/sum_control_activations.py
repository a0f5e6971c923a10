"""Sum the activations of untrained encoders over each probe problem, as for an SAE."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.problems.records import full_text, read_problems, subject_indices
from stethoscope.runtime.files import atomic_path
from stethoscope.runtime.jobs import job
from stethoscope.saes.activations import residuals, sample, store_residuals, sum_by_problem
from stethoscope.saes.control_encoders import ENCODERS, SAMPLED_TEXTS
from stethoscope.saes.formats import load_encoder
from stethoscope.saes.problem_sums import ProblemSums

with job(snakemake) as progress, TemporaryDirectory(dir=snakemake.resources.tmpdir) as scratch:
    base, device = Path(snakemake.input.model).parent, snakemake.params.device
    model, tokenizer = (
        load_model(base, getattr(torch, snakemake.params.dtype)).to(device),
        load_tokenizer(base),
    )
    problems = read_problems(snakemake.input.problems)
    subjects = subject_indices(problems, snakemake.params.subjects)
    texts = list(map(full_text, problems))
    stored = {}
    for name, some in (("sample", sample(texts, SAMPLED_TEXTS)), ("all", texts)):
        stored[name] = store_residuals(residuals(model, tokenizer, some), Path(scratch) / name)
    del model
    generator = np.random.default_rng(snakemake.params.seed)
    build = ENCODERS[snakemake.wildcards.control]
    for layer, (sae, sums, output) in enumerate(
        zip(snakemake.input.saes, snakemake.input.sums, snakemake.output, strict=True)
    ):
        parts = [stream.float().numpy() for _, stream in stored["sample"].of_layer(layer)]
        encoder = load_encoder(Path(sae).parent)
        encoder = build(encoder, ProblemSums.load(sums), np.concatenate(parts), generator)
        found = sum_by_problem(stored["all"].of_layer(layer), subjects, encoder, device)
        with atomic_path(output) as path:
            found.save(path)
    progress(f"{len(problems)} problems, {found.n_features} features")
