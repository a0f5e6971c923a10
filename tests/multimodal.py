"""A Gemma 3 with the smallest vision tower, and checkpoints in shards, for all tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import Gemma3Config, PreTrainedModel

_VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "image_size": 28,
    "patch_size": 14,
}


def multimodal(text: Mapping[str, int]) -> Gemma3Config:
    """A configuration with this language model, given as in Gemma3TextConfig."""
    return Gemma3Config(text_config=dict(text), vision_config=_VISION, mm_tokens_per_image=4)


def save_in_two_shards(model: PreTrainedModel, folder: Path) -> None:
    """Write a model as the hub has it: bf16, two shards with an index, tied embeddings left out."""
    model = model.to(torch.bfloat16)
    size = sum(parameter.nbytes for parameter in model.parameters())
    model.save_pretrained(folder, max_shard_size=size * 2 // 3)
