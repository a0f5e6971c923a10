"""Training of small SAEs with sae-lens, for studies that pretrain their own base model.

BatchTopK: it reaches the same inference class as Gemma Scope (JumpReLU) and, unlike a JumpReLU
trained directly, it is reliable within the seconds that a CPU study has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, SAETrainer
from sae_lens.config import LoggingConfig, SAETrainerConfig

from stethoscope.runtime.files import read_json, write_json


@dataclass(frozen=True)
class SaeSettings:
    """Settings of an SAE's training.

    features: dictionary width; k: mean number of active features a token; samples: activation
    vectors seen, with repetition; batch_size: of them a step; lr: Adam's, decaying to a tenth.
    """

    features: int
    k: int
    samples: int
    batch_size: int
    lr: float


def train_sae(stream: torch.Tensor, settings: SaeSettings, seed: int, folder: Path) -> None:
    """Train an SAE on (tokens, d) residuals and save its inference form as sae-lens does.

    Three settings differ from sae-lens' defaults because they fail in a short run: the decoder's
    bias starts at the data's mean (at zero nearly all features die), the threshold learns faster
    (it would not have converged), and the final learning rate is given (the trainer demands it).
    """
    width = stream.shape[1]
    torch.manual_seed(seed)
    config = BatchTopKTrainingSAEConfig(
        d_in=width,
        d_sae=settings.features,
        k=settings.k,
        topk_threshold_lr=0.05,
        normalize_activations="expected_average_only_in",
        device=str(stream.device),
    )
    sae = BatchTopKTrainingSAE(config)
    with torch.no_grad():
        sae.b_dec.copy_(stream.mean(0) * (width**0.5 / stream.norm(dim=-1).mean()))
    steps = settings.samples // settings.batch_size
    trainer = SAETrainerConfig(
        total_training_samples=steps * settings.batch_size,
        train_batch_size_samples=settings.batch_size,
        device=str(stream.device),
        lr=settings.lr,
        lr_end=settings.lr / 10,
        lr_decay_steps=steps // 2,
        dead_feature_window=max(steps // 10, 1),
        n_batches_for_norm_estimate=20,
        logger=LoggingConfig(log_to_wandb=False),
    )
    SAETrainer(cfg=trainer, sae=sae, data_provider=_batches(stream, settings, seed)).fit()
    sae.save_inference_model(str(folder))
    # sae-lens writes its keys in the order of a set, another one in each process.
    write_json(folder / "cfg.json", read_json(folder / "cfg.json"))


def _batches(stream: torch.Tensor, settings: SaeSettings, seed: int) -> Iterator[torch.Tensor]:
    """Endless batches; each pass over the data is in a new seeded order."""
    generator = np.random.default_rng(seed)
    while True:
        order = torch.from_numpy(generator.permutation(len(stream))).to(stream.device)
        for start in range(0, len(order) - settings.batch_size + 1, settings.batch_size):
            yield stream[order[start : start + settings.batch_size]]
