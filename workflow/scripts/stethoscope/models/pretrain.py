"""Pretraining of a study's own base model from scratch: Muon and AdamW on problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from stethoscope.models.loop import Progress, train
from stethoscope.models.loss import encode
from stethoscope.models.muon import StackedMuon


@dataclass(frozen=True)
class PretrainSettings:
    """How a base model is pretrained.

    epochs: passes over the problems.
    batch_size: problems a step.
    matrix_lr: learning rate of Muon, on the weight matrices of the layers.
    vector_lr: learning rate of AdamW, on embeddings and norms.
    weight_decay: of the matrices.
    warmup, decay: shares of all steps over which the learning rate rises from 0 and falls to 0.
    prompt_weight: weight of a prompt token in the loss; a solution token weighs 1.
    precision: "bf16" or "fp32"; bf16 is fp32 on a CPU that would emulate it (`muon.matrix_dtype`).
    """

    epochs: int
    batch_size: int
    matrix_lr: float
    vector_lr: float
    weight_decay: float
    warmup: float
    decay: float
    prompt_weight: float
    precision: str


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
