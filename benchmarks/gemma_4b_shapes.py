"""A checkpoint with the shapes and keys of Gemma-3-4B-IT, from its adapter to an edited checkpoint.

    python benchmarks/gemma_4b_shapes.py /path/with/20/GB

Nothing is fetched: weights, adapter and SAE are random. What is real is what can break or run out
of memory: 883 tensors in two bfloat16 shards under the names of the hub, tied embeddings, a vision
tower, a LoRA of rank 16 on 238 modules, and an SAE of width 16,384 in Gemma Scope 2's format. Each
step is a process of its own; printed are its time and its peak memory (pages of mapped files
count), then what was checked. Everything written is removed at the end. --tiny is the same with
small sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

GB = 1e9


@dataclass(frozen=True)
class Sizes:
    """Sizes of a multimodal Gemma 3, of an adapter and an SAE on it, and of what is done with them.

    shard: bytes after which a new file begins. scanned: the layer whose SAE is scanned, on
    `problems` problems of each subject. top: layers that are edited.
    """

    layers: int = 34
    hidden: int = 2560
    intermediate: int = 10240
    heads: int = 8
    kv_heads: int = 4
    head_dim: int = 256
    vocabulary: int = 262208
    vision_layers: int = 27
    vision_hidden: int = 1152
    vision_intermediate: int = 4304
    vision_heads: int = 16
    image: int = 896
    image_tokens: int = 256
    shard: float = 5 * GB
    rank: int = 16
    features: int = 16384
    scanned: int = 17
    problems: int = 2
    top: int = 14


TINY = Sizes(
    layers=4,
    hidden=64,
    intermediate=96,
    heads=2,
    kv_heads=1,
    head_dim=32,
    vocabulary=300,
    vision_layers=2,
    vision_hidden=16,
    vision_intermediate=24,
    vision_heads=2,
    image=28,
    image_tokens=4,
    shard=200_000,
    rank=4,
    features=128,
    scanned=2,
    top=2,
)


# Files --------------------------------------------------------------------------------------


def config_of(sizes: Sizes) -> dict:
    """config.json as the hub has it, with the sizes that it leaves to defaults written out."""
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "boi_token_index": 255999 % sizes.vocabulary,
        "eoi_token_index": 256000 % sizes.vocabulary,
        "eos_token_id": [1, 106],
        "image_token_index": min(262144, sizes.vocabulary - 1),
        "initializer_range": 0.02,
        "mm_tokens_per_image": sizes.image_tokens,
        "model_type": "gemma3",
        "text_config": {
            "model_type": "gemma3_text",
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "num_key_value_heads": sizes.kv_heads,
            "head_dim": sizes.head_dim,
            "vocab_size": sizes.vocabulary,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 1024,
        },
        "torch_dtype": "bfloat16",
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": sizes.vision_hidden,
            "image_size": sizes.image,
            "intermediate_size": sizes.vision_intermediate,
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": 14,
            "vision_use_head": False,
        },
    }


def shapes_of(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor by its key on the hub. The head is tied to the embedding: no key."""
    d, wide, v = sizes.hidden, sizes.intermediate, sizes.vision_hidden
    q, kv = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    shapes: dict[str, tuple[int, ...]] = {
        "language_model.model.embed_tokens.weight": (sizes.vocabulary, d)
    }
    for layer in range(sizes.layers):
        for part, shape in {
            "input_layernorm": (d,),
            "mlp.down_proj": (d, wide),
            "mlp.gate_proj": (wide, d),
            "mlp.up_proj": (wide, d),
            "post_attention_layernorm": (d,),
            "post_feedforward_layernorm": (d,),
            "pre_feedforward_layernorm": (d,),
            "self_attn.k_norm": (sizes.head_dim,),
            "self_attn.k_proj": (kv, d),
            "self_attn.o_proj": (d, q),
            "self_attn.q_norm": (sizes.head_dim,),
            "self_attn.q_proj": (q, d),
            "self_attn.v_proj": (kv, d),
        }.items():
            shapes[f"language_model.model.layers.{layer}.{part}.weight"] = shape
    shapes["language_model.model.norm.weight"] = (d,)
    shapes["multi_modal_projector.mm_input_projection_weight"] = (v, d)
    shapes["multi_modal_projector.mm_soft_emb_norm.weight"] = (v,)
    tower = "vision_tower.vision_model"
    shapes[f"{tower}.embeddings.patch_embedding.weight"] = (v, 3, 14, 14)
    shapes[f"{tower}.embeddings.patch_embedding.bias"] = (v,)
    shapes[f"{tower}.embeddings.position_embedding.weight"] = ((sizes.image // 14) ** 2, v)
    for layer in range(sizes.vision_layers):
        parts = {f"layer_norm{number}": (v,) for number in (1, 2)}
        parts |= {
            f"self_attn.{part}": (v, v) for part in ("k_proj", "out_proj", "q_proj", "v_proj")
        }
        parts |= {"mlp.fc1": (sizes.vision_intermediate, v)}
        parts |= {"mlp.fc2": (v, sizes.vision_intermediate)}
        for part, shape in parts.items():
            shapes[f"{tower}.encoder.layers.{layer}.{part}.weight"] = shape
            shapes[f"{tower}.encoder.layers.{layer}.{part}.bias"] = shape[:1]
    for part in ("weight", "bias"):
        shapes[f"{tower}.post_layernorm.{part}"] = (v,)
    return shapes


def make_model(folder: Path, sizes: Sizes) -> None:
    """Write the model folder: random weights, one block of numbers cut anew for each tensor."""
    import numpy as np

    from stethoscope.models.base import train_tokenizer
    from stethoscope.problems.records import full_text
    from stethoscope.runtime.files import sha256_bytes
    from stethoscope.runtime.tensor_files import from_float32, write_tensors

    normal = np.random.default_rng(0).normal(0, 0.02, (1 << 22) + 3).astype(np.float32)
    block = from_float32(normal, "BF16")

    def parts(key: str) -> Iterator[np.ndarray]:
        left, at = prod(shapes[key]), int(sha256_bytes(key.encode())[:8], 16) % len(block)
        while left:
            part = block[at : at + left]
            yield part
            left, at = left - len(part), 0

    shapes, shards, size = shapes_of(sizes), [[]], 0
    for key, shape in shapes.items():
        if size and size + 2 * prod(shape) > sizes.shard:
            shards.append([])
            size = 0
        shards[-1].append(key)
        size += 2 * prod(shape)
    index = {}
    for number, keys in enumerate(shards, start=1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        described = {key: ("BF16", shapes[key]) for key in keys}
        write_tensors(folder / name, described, parts, {"format": "pt"})
        index |= dict.fromkeys(keys, name)
    total = 2 * sum(map(prod, shapes.values()))
    for name, content in {
        "config.json": config_of(sizes),
        "model.safetensors.index.json": {"metadata": {"total_size": total}, "weight_map": index},
    }.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    train_tokenizer(map(full_text, problems_of(sizes)), 220).save_pretrained(folder)


def make_adapter(folder: Path, sizes: Sizes, base: str) -> None:
    """Write a LoRA on all linear modules of the language model, its norm 1 % of the weights'."""
    import numpy as np

    from stethoscope.task_vectors.adapter import save_adapter
    from stethoscope.task_vectors.delta import LowRank
    from stethoscope.task_vectors.task_vector import TaskVector

    generator, modules = np.random.default_rng(1), {}
    size = (0.01 * 0.02 / sizes.rank**0.5) ** 0.5
    for key, shape in shapes_of(sizes).items():
        if key.startswith("language_model.") and key.endswith("_proj.weight"):
            factors = (sizes.rank, shape[1]), (shape[0], sizes.rank)
            a, b = (generator.normal(0, size, each).astype(np.float32) for each in factors)
            modules[key.removesuffix(".weight")] = LowRank(a, b)
    save_adapter(folder, TaskVector(modules, base), "google/gemma-3-4b-it")


def make_sae(folder: Path, sizes: Sizes) -> None:
    """Write an SAE as Gemma Scope 2 has it; a feature fires on about one token in a hundred."""
    import numpy as np
    from safetensors.numpy import save_file

    generator, d, wide = np.random.default_rng(2), sizes.hidden, sizes.features
    directions = generator.standard_normal((wide, d), np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # The embedding and the two normed writes of each layer add up to this size an entry.
    spread = (1 + 2 * (sizes.scanned + 1)) ** 0.5
    tensors = {
        "b_dec": np.zeros(d, np.float32),
        "b_enc": np.zeros(wide, np.float32),
        "threshold": np.full(wide, 2.3 * spread, np.float32),
        "w_dec": directions,
        "w_enc": np.ascontiguousarray(directions.T),
    }
    save_file(tensors, folder / "params.safetensors")
    hook = f"model.layers.{sizes.scanned}.output"
    config = {"hf_hook_point_in": hook, "hf_hook_point_out": hook, "width": wide}
    config |= {"model_name": "google/gemma-3-4b-it", "architecture": "jump_relu", "l0": 120}
    config |= {"affine_connection": False, "type": "sae"}
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def problems_of(sizes: Sizes) -> list[dict[str, str]]:
    """A few synthetic problems of each subject."""
    from stethoscope.problems.records import MATH
    from stethoscope.problems.synthetic.corpus import generate_splits

    return generate_splits(1, {"probe": dict.fromkeys(MATH, sizes.problems)}, "easy")["probe"]


# Steps --------------------------------------------------------------------------------------


def make(work: Path, sizes: Sizes) -> str:
    """The base, the adapter and the SAE."""
    from stethoscope.runtime.files import MANIFEST, atomic_folder, folder_digest

    with atomic_folder(work / "model") as folder:
        make_model(folder, sizes)
    with atomic_folder(work / "adapter") as folder:
        make_adapter(folder, sizes, folder_digest(work / "model" / MANIFEST))
    with atomic_folder(work / "sae") as folder:
        make_sae(folder, sizes)
    size = sum(path.stat().st_size for path in (work / "model").glob("*.safetensors"))
    return f"{len(shapes_of(sizes))} tensors, {size / GB:.2f} GB"


def extract(work: Path, sizes: Sizes) -> str:
    """The task vector of the adapter, checked against the base."""
    from stethoscope.task_vectors.adapter import extract_task_vector

    vector = extract_task_vector(work / "adapter", work / "model")
    vector.save(work / "vector.safetensors")
    return f"{len(vector.modules)} modules, norm {vector.energy() ** 0.5:.1f}"


def scan(work: Path, sizes: Sizes) -> str:
    """SP of one layer: the model up to that layer, and the encoder half of its SAE."""
    import torch

    from stethoscope.models.base import load_tokenizer
    from stethoscope.problems.records import MATH, full_text, subject_indices
    from stethoscope.saes.activations import sum_by_problem
    from stethoscope.saes.formats import check_sae, load_encoder
    from stethoscope.saes.residuals import residuals
    from stethoscope.specificity.scores import Scoring, feature_scores, specificity_table

    torch.set_num_threads(1)
    problems, subjects = problems_of(sizes), list(MATH)
    check_sae(work / "sae", sizes.scanned, sizes.hidden)
    streams = residuals(
        truncated_model(work / "model", sizes.scanned + 1),
        load_tokenizer(work / "model"),
        list(map(full_text, problems)),
    )
    sums = sum_by_problem(
        ((rows, layers[sizes.scanned]) for rows, layers in streams),
        subject_indices(problems, subjects),
        load_encoder(work / "sae"),
    )
    scoring = Scoring(epsilon=0.01, unit="mean_active", smoothing_quantile=0.9, threshold=1.0)
    scores = feature_scores(sums, 0, len(subjects), scoring)
    table = specificity_table({sizes.scanned: scores}, scoring.threshold)
    fired = sums.fires.sum() / (sums.tokens.sum() * sums.n_features)
    return (
        f"layer {sizes.scanned}: SP {table['sp'][0]:.2f}, {fired:.1%} of {sums.n_features} "
        f"features fire on a token; {sums.tokens.sum()} tokens"
    )


def truncated_model(folder: Path, layers: int):
    """The language model's first layers in bfloat16; nothing of the others is read."""
    import torch
    from accelerate import init_empty_weights
    from safetensors import safe_open
    from transformers import AutoConfig, Gemma3ForCausalLM

    config = AutoConfig.from_pretrained(folder).text_config
    config.num_hidden_layers, config.layer_types = layers, config.layer_types[:layers]
    with init_empty_weights(include_buffers=False):
        model = Gemma3ForCausalLM(config)
    wanted, state = set(model.state_dict()), {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for key in file.keys():
                if (name := key.removeprefix("language_model.")) in wanted:
                    state[name] = file.get_tensor(key)
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, assign=True)
    assert all(weight.dtype == torch.bfloat16 for weight in model.parameters())
    return model.eval()


def select(work: Path, sizes: Sizes) -> str:
    """The layers whose task vector is largest against their weights: reads all edited weights."""
    from functools import partial

    from stethoscope.models.weights import read_weights
    from stethoscope.runtime.files import write_json
    from stethoscope.selection.select import select_and_score
    from stethoscope.task_vectors.task_vector import TaskVector

    vector = TaskVector.load(work / "vector.safetensors")
    weights = partial(read_weights, work / "model")
    settings = {"vector": vector, "relative_to_weights": True, "base_weights": weights}
    layers, _ = select_and_score("task_vector_norm", sizes.layers, top=sizes.top, **settings)
    write_json(work / "layers.json", layers)
    return f"{len(layers)} of {sizes.layers} layers: {', '.join(map(str, layers))}"


def edit(work: Path, sizes: Sizes) -> str:
    """The edit as an adapter, and what of it would land in the weights."""
    from stethoscope.edits.energy import energy_record, energy_summary
    from stethoscope.edits.files import save_edit
    from stethoscope.models.weights import read_weights
    from stethoscope.runtime.files import atomic_folder, read_json, write_table
    from stethoscope.task_vectors.task_vector import TaskVector, scaled

    vector = TaskVector.load(work / "vector.safetensors").in_layers(read_json(work / "layers.json"))
    added = scaled(vector, 0.8)
    weights = read_weights(work / "model", list(added.modules))
    record = energy_record(vector, vector, added, weights, None)
    with atomic_folder(work / "edit") as folder:
        save_edit(folder, added, "google/gemma-3-4b-it")
        write_table(folder / "energy.tsv", record)
    summary = energy_summary(record)
    size = (work / "edit/adapter_model.safetensors").stat().st_size
    return (
        f"{len(added.modules)} modules, {size / 1e6:.0f} MB; in bf16 "
        f"{summary['landed_energy_bf16']:.1%} of the energy lands, "
        f"{summary['unchanged_bf16']:.1%} of the entries stay"
    )


def export(work: Path, sizes: Sizes) -> str:
    """The checkpoint."""
    from stethoscope.edits.checkpoint import export_checkpoint, export_summary
    from stethoscope.edits.files import read_edit

    record = export_checkpoint(work / "model", read_edit(work / "edit"), work / "exported")
    landed = export_summary(record)
    return f"{landed['tensors']} tensors, {landed['landed_energy']:.1%} of the energy landed"


def compare(work: Path, sizes: Sizes) -> str:
    """Every tensor of the two checkpoints against each other, and the headers and small files."""
    import torch
    from safetensors import safe_open

    from stethoscope.runtime.files import MANIFEST, read_json

    layers, differ, same = read_json(work / "layers.json"), set(), 0
    for name in read_json(work / "model" / MANIFEST)["files"]:
        old, new = work / "model" / name, work / "exported" / name
        if not name.endswith(".safetensors"):
            assert old.read_bytes() == new.read_bytes(), name
            continue
        with open(old, "rb") as first, open(new, "rb") as second:
            size = int.from_bytes(first.read(8), "little")
            second.seek(8)
            assert first.read(size) == second.read(size), name
        with safe_open(old, "pt") as first, safe_open(new, "pt") as second:
            for key in first.keys():
                if torch.equal(first.get_tensor(key), second.get_tensor(key)):
                    same += 1
                else:
                    differ.add(key)
    selected = {
        key
        for key in shapes_of(sizes)
        if key.endswith("_proj.weight")
        and any(key.startswith(f"language_model.model.layers.{layer}.") for layer in layers)
    }
    assert differ == selected, differ ^ selected
    return f"{len(differ)} tensors differ, exactly those of the selected layers; {same} are equal"


def load(work: Path, sizes: Sizes) -> str:
    """The checkpoint in transformers."""
    import torch
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    from stethoscope.models.base import decoder_layers
    from stethoscope.runtime.files import read_json

    model, loading = AutoModelForCausalLM.from_pretrained(
        work / "exported", dtype=torch.bfloat16, local_files_only=True, output_loading_info=True
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not loading[kind], (kind, loading[kind])
    layer = read_json(work / "layers.json")[-1]
    key = f"language_model.model.layers.{layer}.mlp.down_proj.weight"
    index = read_json(work / "exported/model.safetensors.index.json")["weight_map"]
    stored = []
    for folder in ("exported", "model"):
        with safe_open(work / folder / index[key], "pt") as file:
            stored.append(file.get_tensor(key))
    weight = decoder_layers(model)[layer].mlp.down_proj.weight
    assert torch.equal(weight, stored[0]) and not torch.equal(weight, stored[1])
    return f"{type(model).__name__}, no missing, unexpected or mismatched key"


STEPS = (make, extract, scan, select, edit, export, compare, load)


# How it is measured -------------------------------------------------------------------------


def run(work: Path, tiny: bool) -> Iterator[tuple[str, float, float, int, str]]:
    """Each step in a process of its own: name, wall and CPU seconds, peak memory in bytes, result.

    This process stays small, since a child's peak starts from its parent's.
    """
    for step in STEPS:
        call = [sys.executable, __file__, str(work), "--step", step.__name__, *["--tiny"] * tiny]
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as output:
            child = subprocess.Popen(call, stdout=output)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise SystemExit(f"{step.__name__} failed")
            output.seek(0)
            result = output.read().strip()
        wall, cpu = time.monotonic() - started, used.ru_utime + used.ru_stime
        yield step.__name__, wall, cpu, used.ru_maxrss * 1024, result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, help="has 20 GB to spare; a folder in it is made and removed"
    )
    parser.add_argument("--tiny", action="store_true", help="the same code with small sizes")
    parser.add_argument("--step", choices=[step.__name__ for step in STEPS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(
            {step.__name__: step for step in STEPS}[arguments.step](
                arguments.folder, TINY if arguments.tiny else Sizes()
            )
        )
        return
    os.environ |= {
        "TQDM_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    print("| step | wall s | CPU s | peak MB | result |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as work:
        for name, wall, cpu, peak, result in run(Path(work), arguments.tiny):
            print(f"| {name} | {wall:.0f} | {cpu:.0f} | {peak / 1e6:.0f} | {result} |", flush=True)


if __name__ == "__main__":
    main()
