"""Train one SAE for each layer on cached residuals, and measure it on the probe problems."""

from itertools import chain
from pathlib import Path

import pandas as pd
import torch

from stethoscope.activations import residuals, sae_quality
from stethoscope.data import full_text, of_subject, read_problems
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import atomic_folder, write_table
from stethoscope.sae_training import SaeSettings, train_sae
from stethoscope.saes import load_decoder, load_encoder

with job(snakemake) as progress:
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

    def streams(problems):
        """Residuals of all tokens of some problems, by layer."""
        texts = list(map(full_text, problems))
        parts = [streams for _, streams in residuals(model, tokenizer, texts)]
        return {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}

    seen, unseen = streams(chosen), streams(probe)
    progress(f"residuals of {len(seen[0])} tokens cached")
    sae = SaeSettings(features=settings["features"], k=settings["k"], **training)
    rows = []
    for manifest in snakemake.output[:-1]:
        folder = Path(manifest).parent
        layer = int(folder.name.removeprefix("layer_"))
        with atomic_folder(folder) as temporary:
            train_sae(seen[layer].to(device), sae, seed * len(seen) + layer, temporary)
        quality = sae_quality(load_encoder(folder), load_decoder(folder), unseen[layer])
        rows.append({"layer": layer, **quality})
        progress(
            "layer {layer}: explained variance {explained_variance:.3f}, L0 {l0:.1f}, "
            "dead {dead_share:.0%}".format(**rows[-1])
        )
    write_table(snakemake.output.quality, pd.DataFrame(rows))
