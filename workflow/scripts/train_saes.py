"""Train one SAE for each layer on cached residuals, and measure it on the probe problems.

The residuals wait in a temporary folder (Snakemake's resource tmpdir), one layer is in memory.
"""

from pathlib import Path

import pandas as pd

from stethoscope.problems.records import full_text, of_subject, read_problems
from stethoscope.runtime.files import atomic_folder, write_table
from stethoscope.runtime.jobs import run
from stethoscope.saes.activations import quality_line, sae_quality
from stethoscope.saes.residuals import cache_residuals
from stethoscope.saes.train import SaeSettings, train_sae


def main(inputs, outputs, params, wildcards, scratch, progress) -> None:
    training = dict(params.settings["train"])
    per_subject, train = training.pop("problems"), read_problems(inputs.problems)
    problems = {
        "seen": [p for name in params.subjects for p in of_subject(train, name)[:per_subject]],
        "unseen": read_problems(inputs.probe),
    }
    texts = {name: list(map(full_text, group)) for name, group in problems.items()}
    stored = cache_residuals(Path(inputs.model).parent, texts, scratch, params.device)
    progress(f"residuals of {sum(map(len, stored['seen'].rows))} tokens cached")
    sae = SaeSettings(params.settings["features"], params.settings["k"], **training)
    rows, manifests = [], outputs[:-1]
    for layer, manifest in enumerate(manifests):
        seed = int(wildcards.seed) * len(manifests) + layer
        with atomic_folder(Path(manifest).parent) as folder:
            train_sae(stored["seen"].all_of(layer).to(params.device), sae, seed, folder)
        quality = sae_quality(Path(manifest).parent, stored["unseen"].all_of(layer))
        rows.append({"layer": layer, **quality})
        progress(quality_line(layer, quality))
    write_table(outputs.quality, pd.DataFrame(rows))


if __name__ == "__main__":
    run(main)
