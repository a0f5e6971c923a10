"""Sum the SAE features' activations over each probe problem, in every layer."""

from pathlib import Path

from stethoscope.activations import sum_by_problem
from stethoscope.data import SUBJECTS, completion, prompt, read_problems
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import atomic_path
from stethoscope.saes import load_encoder

with job(snakemake) as progress:
    base = Path(snakemake.input.model).parent
    problems = read_problems(snakemake.input.problems)
    types = [SUBJECTS[subject].type for subject in snakemake.params.subjects]
    encoders = {
        layer: load_encoder(Path(path).parent) for layer, path in enumerate(snakemake.input.saes)
    }
    sums = sum_by_problem(
        load_model(base),
        load_tokenizer(base),
        [prompt(record["problem"]) + completion(record["solution"]) for record in problems],
        [types.index(record["type"]) for record in problems],
        encoders,
    )
    for layer, path in enumerate(snakemake.output):
        with atomic_path(path) as temporary:
            sums[layer].save(temporary)
    progress(f"{len(problems)} problems, {int(sums[0].tokens.sum())} tokens")
