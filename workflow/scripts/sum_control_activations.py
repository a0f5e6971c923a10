"""Sum the activations of untrained encoders over each probe problem, as for an SAE."""

from pathlib import Path

import numpy as np

from stethoscope.problems.records import full_text, read_problems, subject_indices
from stethoscope.runtime.files import atomic_path
from stethoscope.runtime.jobs import run
from stethoscope.saes.activations import sum_by_problem
from stethoscope.saes.control_encoders import ENCODERS, SAMPLED_TEXTS
from stethoscope.saes.formats import load_encoder
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.saes.residuals import cache_residuals, sample


def main(inputs, outputs, params, wildcards, scratch, progress) -> None:
    problems = read_problems(inputs.problems)
    subjects = subject_indices(problems, params.subjects)
    probe = list(map(full_text, problems))
    texts = {"sample": sample(probe, SAMPLED_TEXTS), "probe": probe}
    base = Path(inputs.model).parent
    stored = cache_residuals(base, texts, scratch, params.device, params.dtype)
    generator = np.random.default_rng(params.seed)
    control = ENCODERS[wildcards.control]
    for layer, (sae, sums, output) in enumerate(
        zip(inputs.saes, inputs.sums, outputs, strict=True)
    ):
        stream = stored["sample"].all_of(layer).float().numpy()
        encoder = load_encoder(Path(sae).parent)
        encoder = control(encoder, ProblemSums.load(sums), stream, generator)
        residuals = stored["probe"].of_layer(layer)
        totals = sum_by_problem(residuals, subjects, encoder, params.device)
        with atomic_path(output) as path:
            totals.save(path)
    progress(f"{len(problems)} problems, {totals.n_features} features")


if __name__ == "__main__":
    run(main)
