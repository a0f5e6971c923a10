"""What a study of published weights reads, at the smallest size: a stand-in for each of them.

A multimodal Gemma 3 and SAEs in the layout of Gemma Scope 2, both random, and problems in MATH's
tree. Made as the hub has them: same files, same keys, same types.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from hub_files import multimodal, save_gemma_scope, save_in_two_shards
from transformers import Gemma3ForConditionalGeneration

from stethoscope.models.base import load_model, load_tokenizer, train_tokenizer
from stethoscope.problems.math_data import math_digest, read_math
from stethoscope.problems.records import MATH, full_text
from stethoscope.problems.synthetic.corpus import generate_splits
from stethoscope.saes.residuals import residuals

LAYERS, HIDDEN, FEATURES = 4, 64, 96  # of the smallest one
SAE_FOLDER = "resid_post_all/layer_{layer}_width_16k_l0_small"

# A chat as Gemma writes it.
CHAT = (
    "{{ bos_token }}{% for turn in messages %}<start_of_turn>"
    "{{ 'model' if turn.role == 'assistant' else turn.role }}\n{{ turn.content }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


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


def texts_in(problems: Path) -> list[str]:
    """Each problem of the tree with its solution."""
    paths = sorted(problems.rglob("*.json"))
    return [full_text(json.loads(path.read_text("utf-8"))) for path in paths]


def make_model(root: Path, problems: Path, layers: int, hidden: int, positions: int) -> None:
    """A multimodal Gemma 3 in bf16, in two shards with an index, with a tokenizer of problems."""
    tokenizer = train_tokenizer(texts_in(problems), 220)
    tokenizer.chat_template = CHAT
    text = {
        "vocab_size": 224,  # more than the tokenizer's, as Gemma's own
        "hidden_size": hidden,
        "intermediate_size": 3 * hidden // 2,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": hidden // 2,
        "max_position_embeddings": positions,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    torch.manual_seed(0)
    save_in_two_shards(Gemma3ForConditionalGeneration(multimodal(text)), root)
    tokenizer.save_pretrained(root)
    (root / "README.md").write_text("not read")


def firing_rates(layers: int) -> list[float]:
    """Share of tokens on which a feature of each layer's SAE fires."""
    return torch.logspace(math.log10(1 / 50), -3, layers).tolist()


def make_saes(root: Path, model: Path, problems: Path, folder: str, features: int) -> None:
    """One SAE a layer: config.json and params.safetensors, and examples that nobody fetches.

    folder: of one layer's SAE, with {layer} in it. Directions are random; a feature fires on 1 of
    50 tokens in the first layer, and more rarely in each that follows, down to 1 of 1,000.
    """
    streams: dict[int, list[torch.Tensor]] = {}
    for _, batch in residuals(load_model(model), load_tokenizer(model), texts_in(problems)[::4]):
        for layer, stream in batch.items():
            streams.setdefault(layer, []).append(stream)
    for layer, rate in enumerate(firing_rates(len(streams))):
        stream = torch.cat(streams[layer]).float()
        torch.manual_seed(features + layer)
        encoder = torch.randn(stream.shape[1], features)
        encoder /= encoder.norm(dim=0)
        bias = -stream.mean(dim=0) @ encoder
        tensors = {
            "b_dec": stream.mean(dim=0),
            "b_enc": bias,
            "threshold": (stream @ encoder + bias).quantile(1 - rate, dim=0).clamp(min=0),
            "w_dec": encoder.T.contiguous(),
            "w_enc": encoder,
        }
        place = root / folder.format(layer=layer)
        save_gemma_scope(place, layer, tensors)
        (place / "examples.safetensors").write_bytes(b"hundreds of megabytes")


def make_sources(root: Path) -> dict[str, dict]:
    """All of them in one folder; the sections model, data and saes.narrow of a study on them."""
    problems, model = root / "MATH", root / "model"
    digest = make_math(problems, train=30, test=4)
    make_model(model, problems, LAYERS, HIDDEN, positions=256)
    make_saes(root / "saes", model, problems, SAE_FOLDER, FEATURES)
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
