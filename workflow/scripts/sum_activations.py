"""Sum the SAE features' activations over each probe problem, in every layer.

The residuals wait in a temporary folder (Snakemake's resource tmpdir); one SAE is in memory.
"""

from pathlib import Path

from stethoscope.problems.records import full_text, read_problems, subject_indices
from stethoscope.runtime.files import atomic_path
from stethoscope.runtime.jobs import run
from stethoscope.saes.activations import sum_by_problem
from stethoscope.saes.formats import load_encoder
from stethoscope.saes.residuals import cache_residuals


def main(inputs, outputs, params, scratch, progress) -> None:
    problems = read_problems(inputs.problems)
    subjects = subject_indices(problems, params.subjects)
    texts = {"probe": list(map(full_text, problems))}
    base = Path(inputs.model).parent
    stored = cache_residuals(base, texts, scratch, params.device, params.dtype)["probe"]
    for layer, (sae, output) in enumerate(zip(inputs.saes, outputs, strict=True)):
        encoder = load_encoder(Path(sae).parent)
        sums = sum_by_problem(stored.of_layer(layer), subjects, encoder, params.device)
        with atomic_path(output) as path:
            sums.save(path)
    progress(f"{len(problems)} problems, {int(sums.tokens.sum())} tokens")


if __name__ == "__main__":
    run(main)
