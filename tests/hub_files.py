"""Files as the hub has them, for all tests: Gemma 3 with vision, Gemma Scope 2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
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


def save_gemma_scope(
    folder: Path, layer: int, tensors: Mapping[str, torch.Tensor], **changes: Any
) -> None:
    """Write one SAE: config.json with its keys in their order, params.safetensors in fp32.

    tensors: w_enc (d, features), b_enc, threshold, w_dec, b_dec. changes: of the configuration.
    """
    folder.mkdir(parents=True)
    config = {
        "hf_hook_point_in": f"model.layers.{layer}.output",
        "hf_hook_point_out": f"model.layers.{layer}.output",
        "width": tensors["w_enc"].shape[1],
        "model_name": "google/gemma-3-4b-it",
        "architecture": "jump_relu",
        "l0": 20,
        "affine_connection": False,
        "type": "sae",
    }
    (folder / "config.json").write_text(json.dumps(config | changes, indent=2))
    save_file(dict(tensors), folder / "params.safetensors")
