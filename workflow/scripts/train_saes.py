"""Train one SAE for each layer on cached residuals, and measure it on the probe problems.

The residuals wait in a temporary folder (Snakemake's resource tmpdir), one layer is in memory.
"""

from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.problems.records import full_text, of_subject, read_problems
from stethoscope.runtime.files import atomic_folder, write_table
from stethoscope.runtime.jobs import job
from stethoscope.saes.activations import quality_line, residuals, sae_quality, store_residuals
from stethoscope.saes.train import SaeSettings, train_sae

with job(snakemake) as progress, TemporaryDirectory(dir=snakemake.resources.tmpdir) as scratch:
    settings, seed = dict(snakemake.params.settings), int(snakemake.wildcards.seed)
    model_folder = Path(snakemake.input.model).parent
    device, tokenizer = snakemake.params.device, load_tokenizer(model_folder)
    model = load_model(model_folder).to(device)
    training = dict(settings["train"])
    per_subject = training.pop("problems")
    train, probe = (
        read_problems(path) for path in (snakemake.input.problems, snakemake.input.probe)
    )
    subjects = snakemake.params.subjects
    chosen = chain.from_iterable(of_subject(train, subject)[:per_subject] for subject in subjects)

    stored = {}
    for name, problems in (("seen", chosen), ("unseen", probe)):
        streams = residuals(model, tokenizer, list(map(full_text, problems)))
        stored[name] = store_residuals(streams, Path(scratch) / name)
    progress(f"residuals of {sum(map(len, stored['seen'].rows))} tokens cached")
    sae = SaeSettings(features=settings["features"], k=settings["k"], **training)
    rows, n_layers = [], len(snakemake.output) - 1
    for manifest in snakemake.output[:-1]:
        folder = Path(manifest).parent
        layer = int(folder.name.removeprefix("layer_"))
        with atomic_folder(folder) as temporary:
            stream = stored["seen"].all_of(layer).to(device)
            train_sae(stream, sae, seed * n_layers + layer, temporary)
        quality = sae_quality(folder, stored["unseen"].all_of(layer))
        rows.append({"layer": layer, **quality})
        progress(quality_line(layer, quality))
    write_table(snakemake.output.quality, pd.DataFrame(rows))
