"""What a study of published weights reads, at the smallest size: a stand-in for each of them.

A multimodal Gemma 3 and SAEs in the layout of Gemma Scope 2, both random, and problems in MATH's
tree. Made as the hub has them: same files, same keys, same types.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from multimodal import multimodal, save_in_two_shards
from safetensors.torch import save_file
from transformers import Gemma3ForConditionalGeneration

from stethoscope.corpus import generate_splits
from stethoscope.data import MATH, full_text
from stethoscope.math_data import math_digest, read_math
from stethoscope.models import train_tokenizer

LAYERS, HIDDEN, FEATURES = 4, 64, 96
SAE_FOLDER = "resid_post_all/layer_{layer}_width_16k_l0_small"


def make_math(root: Path, train: int, test: int) -> str:
    """Problems a subject in the tree train/number_theory/1.json; the digest of them all."""
    sizes = {"train": dict.fromkeys(MATH, train), "test": dict.fromkeys(MATH, test)}
    files = {}
    for split, records in generate_splits(1, sizes, "easy").items():
        for number, record in enumerate(records):
            subject = next(s.slug for s in MATH.values() if s.type == record["type"])
            name = f"{split}/{subject}/{number}.json"
            files[name] = root / name
            files[name].parent.mkdir(parents=True, exist_ok=True)
            files[name].write_text(json.dumps(record), encoding="utf-8")
    return math_digest(read_math(files))


def make_model(root: Path, problems: Path) -> None:
    """A multimodal Gemma 3 in bf16, in two shards with an index, with a tokenizer of problems."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(problems.rglob("*.json"))]
    tokenizer = train_tokenizer(map(full_text, records), 220)
    text = {
        "vocab_size": 224,  # more than the tokenizer's, as Gemma's own
        "hidden_size": HIDDEN,
        "intermediate_size": 96,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 256,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    torch.manual_seed(0)
    save_in_two_shards(Gemma3ForConditionalGeneration(multimodal(text)), root)
    tokenizer.save_pretrained(root)
    (root / "README.md").write_text("not read")


def make_saes(root: Path) -> None:
    """One SAE a layer: config.json and params.safetensors, and examples that nobody fetches."""
    for layer in range(LAYERS):
        folder = root / SAE_FOLDER.format(layer=layer)
        folder.mkdir(parents=True)
        config = {
            "hf_hook_point_in": f"model.layers.{layer}.output",
            "hf_hook_point_out": f"model.layers.{layer}.output",
            "width": FEATURES,
            "model_name": "google/gemma-3-4b-it",
            "architecture": "jump_relu",
            "l0": 10,
            "affine_connection": False,
            "type": "sae",
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        torch.manual_seed(layer)
        encoder = torch.randn(HIDDEN, FEATURES)
        encoder /= encoder.norm(dim=0)
        tensors = {
            "b_dec": torch.zeros(HIDDEN),
            "b_enc": torch.zeros(FEATURES),
            "threshold": torch.full((FEATURES,), 0.5),
            "w_dec": encoder.T.contiguous(),
            "w_enc": encoder,
        }
        save_file(tensors, folder / "params.safetensors")
        (folder / "examples.safetensors").write_bytes(b"hundreds of megabytes")


def make_sources(root: Path) -> dict[str, dict]:
    """All of them in one folder; the sections model, data and saes.narrow of a study on them."""
    digest = make_math(root / "MATH", train=30, test=4)
    make_model(root / "model", root / "MATH")
    make_saes(root / "saes")
    splits = {"validation": {"each": 6}, "probe": {"each": 4}}
    return {
        "model": {"load": {"path": "sources/model", "layers": LAYERS, "hidden": HIDDEN}},
        "data": {"math": {"path": "sources/MATH", "sha256": digest, **splits}},
        "saes": {
            "narrow": {
                "load": {"path": "sources/saes", "folder": SAE_FOLDER, "format": "gemma_scope_2"}
            }
        },
    }
