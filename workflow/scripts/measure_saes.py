"""Measure the fit of published SAEs to the base model on a sample of probe problems."""

from pathlib import Path

import pandas as pd

from stethoscope.problems.records import full_text, read_problems
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run
from stethoscope.saes.activations import quality_line, sae_quality
from stethoscope.saes.residuals import cache_residuals, sample

SAMPLED_TEXTS = 32  # some thousand tokens: the features of all of them are held at once


def main(inputs, outputs, params, scratch, progress) -> None:
    texts = sample(list(map(full_text, read_problems(inputs.probe))), SAMPLED_TEXTS)
    base = Path(inputs.model).parent
    stored = cache_residuals(base, {"probe": texts}, scratch, params.device, params.dtype)
    rows = []
    for layer, path in enumerate(inputs.saes):
        quality = sae_quality(Path(path).parent, stored["probe"].all_of(layer))
        rows.append({"layer": layer, **quality})
        progress(quality_line(layer, quality))
    write_table(outputs.quality, pd.DataFrame(rows))


if __name__ == "__main__":
    run(main)
