"""Pretraining of a study's own base model from scratch: Muon and AdamW on problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from stethoscope.models.loop import LoopSettings, Progress, train
from stethoscope.models.loss import encode
from stethoscope.models.muon import StackedMuon


@dataclass(frozen=True)
class PretrainSettings(LoopSettings):
    """Settings of pretraining; weight_decay is that of the matrices.

    matrix_lr: learning rate of Muon, on the weight matrices of the layers. vector_lr: that of
    AdamW, on embeddings and norms.
    """

    matrix_lr: float
    vector_lr: float


def pretrain(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    problems: Sequence[Mapping[str, str]],
    settings: PretrainSettings,
    seed: int,
    progress: Progress,
) -> None:
    """Train all weights of `model` on `problems`, in place."""
    matrices, vectors = [], []
    embedding = model.get_input_embeddings().weight
    for parameter in model.parameters():
        is_matrix = parameter.ndim == 2 and parameter is not embedding
        (matrices if is_matrix else vectors).append(parameter)
    optimizers = [
        StackedMuon(matrices, lr=settings.matrix_lr, weight_decay=settings.weight_decay),
        torch.optim.AdamW(
            vectors, lr=settings.vector_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        ),
    ]
    train(model, encode(tokenizer, problems), optimizers, settings, seed, progress)
