"""Sum the SAE features' activations over each probe problem, in every layer."""

from pathlib import Path

from stethoscope.activations import sum_by_problem
from stethoscope.data import full_text, read_problems, subject_indices
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import atomic_path
from stethoscope.saes import load_encoder

with job(snakemake) as progress:
    base = Path(snakemake.input.model).parent
    problems = read_problems(snakemake.input.problems)
    encoders = {
        layer: load_encoder(Path(path).parent) for layer, path in enumerate(snakemake.input.saes)
    }
    sums = sum_by_problem(
        load_model(base),
        load_tokenizer(base),
        list(map(full_text, problems)),
        subject_indices(problems, snakemake.params.subjects),
        encoders,
    )
    for layer, path in enumerate(snakemake.output):
        with atomic_path(path) as temporary:
            sums[layer].save(temporary)
    progress(f"{len(problems)} problems, {int(sums[0].tokens.sum())} tokens")
