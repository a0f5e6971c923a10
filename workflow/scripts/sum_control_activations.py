"""Sum the activations of untrained encoders over each probe problem, as for an SAE."""

from pathlib import Path

import numpy as np

from stethoscope.activations import residuals, sum_by_problem
from stethoscope.controls import ENCODERS, SAMPLED_TEXTS
from stethoscope.data import full_text, read_problems, subject_indices
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import atomic_path
from stethoscope.saes import load_encoder
from stethoscope.specificity import ProblemSums

with job(snakemake) as progress:
    base = Path(snakemake.input.model).parent
    model, tokenizer = load_model(base), load_tokenizer(base)
    problems = read_problems(snakemake.input.problems)
    texts = list(map(full_text, problems))
    sample = texts[:: max(1, len(texts) // SAMPLED_TEXTS)]
    batches = [streams for _, streams in residuals(model, tokenizer, sample)]
    generator = np.random.default_rng(snakemake.params.seed)
    build, encoders = ENCODERS[snakemake.wildcards.control], {}
    for layer, (sae, sums) in enumerate(
        zip(snakemake.input.saes, snakemake.input.sums, strict=True)
    ):
        stream = np.concatenate([streams[layer].numpy() for streams in batches])
        encoder = load_encoder(Path(sae).parent)
        encoders[layer] = build(encoder, ProblemSums.load(sums), stream, generator)
    subjects = subject_indices(problems, snakemake.params.subjects)
    found = sum_by_problem(model, tokenizer, texts, subjects, encoders)
    for layer, path in enumerate(snakemake.output):
        with atomic_path(path) as temporary:
            found[layer].save(temporary)
    progress(f"{len(problems)} problems, {found[0].n_features} features")
