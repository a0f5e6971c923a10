"""PEFT LoRA adapters: read as a task vector, or written as one that anything else can load.

numpy only.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from stethoscope.models.parameter_names import in_memory
from stethoscope.runtime.files import read_json
from stethoscope.runtime.tensor_files import read_tensors
from stethoscope.task_vectors.delta import LowRank
from stethoscope.task_vectors.task_vector import (
    TaskVector,
    check_base,
    check_fits,
    spelled_as_on_disk,
)

PEFT_PREFIX = "base_model.model."
_FACTOR = re.compile(re.escape(PEFT_PREFIX) + r"(?P<module>.+)\.lora_(?P<part>[AB])\.weight")
# Values that a plain LoRA, scale * B @ A, may have in adapter_config.json, by key.
_PLAIN = {
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "use_qalora": (False, None),
    "alora_invocation_tokens": (None,),
    "init_lora_weights": (True, False, None, "gaussian", "eva", "orthogonal"),  # base untouched
    "bias": ("none", None),
    "modules_to_save": (None, []),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "fan_in_fan_out": (False, None),
}


def read_adapter(folder: str | Path) -> TaskVector:
    """The weight differences of a PEFT LoRA adapter, by the adapter's names of the modules.

    Raises ValueError when the adapter is more than scale * B @ A (DoRA, rsLoRA, biases, saved
    modules, patterns) or holds a key that is not a LoRA factor.
    """
    config_file = Path(folder) / "adapter_config.json"
    weights = Path(folder) / "adapter_model.safetensors"
    config = read_json(config_file)
    for key, allowed in _PLAIN.items():
        if key in config and config[key] not in allowed:
            raise ValueError(f"{config_file}: {key}: {config[key]!r} is not a plain LoRA")
    for key in ("r", "lora_alpha"):
        if not isinstance(config.get(key), int | float) or config[key] <= 0:
            raise ValueError(f"{config_file}: {key}: {config.get(key)!r} is not above zero")
    tensors, metadata = read_tensors(weights)
    modules = {}
    for key in sorted(tensors):
        match = _FACTOR.fullmatch(key)
        pair = match and [f"{PEFT_PREFIX}{match['module']}.lora_{part}.weight" for part in "AB"]
        if match is None or not set(pair) <= set(tensors):
            raise ValueError(f"{weights}: '{key}' is not one of a pair ...lora_A.weight, lora_B")
        if match["part"] == "A":
            a, b = (tensors[name].astype(np.float32) for name in pair)
            if not a.shape[0] == b.shape[1] == config["r"]:
                raise ValueError(
                    f"{weights}: {match['module']} is {b.shape} @ {a.shape}, "
                    f"adapter_config.json says r = {config['r']}"
                )
            modules[match["module"]] = LowRank(a, b, config["lora_alpha"] / config["r"])
    return TaskVector(modules, metadata.get("base", ""))


def extract_task_vector(adapter: str | Path, model: str | Path) -> TaskVector:
    """The task vector of an adapter, checked against the base model it must have been made for.

    Its modules are named as the base's files name them, however the adapter does.

    Raises ValueError when the adapter was made for another base, when a key matches no weight of
    the base or a shape does not fit, and when the vector is zero.
    """
    vector = read_adapter(adapter)
    check_base(vector, model, adapter)
    vector = spelled_as_on_disk(vector, model, adapter)
    check_fits(vector, model, adapter)
    if vector.energy() == 0:
        raise ValueError(f"{adapter}: the task vector is zero: was the adapter trained?")
    return vector


def save_adapter(folder: Path, edit: TaskVector, base_model: str) -> None:
    """Write an edit as a PEFT adapter folder (adapter_config.json, adapter_model.safetensors).

    All modules must share one rank and one scale, as those of one LoRA do. base_model: path or hub
    id for `base_model_name_or_path`. The empty edit becomes an adapter without modules, which we
    read as the base and PEFT declines to load.

    Raises ValueError when ranks or scales differ.
    """
    shapes = {(delta.A.shape[0], delta.scale) for delta in edit.modules.values()} or {(1, 1.0)}
    if len(shapes) > 1:
        raise ValueError(f"edit: modules of several ranks or scales: {sorted(shapes)}")
    rank, scale = shapes.pop()
    tensors = {}
    for name, delta in edit.modules.items():
        tensors[factor_key(name, "A")] = np.ascontiguousarray(delta.A, dtype=np.float32)
        tensors[factor_key(name, "B")] = np.ascontiguousarray(delta.B, dtype=np.float32)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": rank,
        "lora_alpha": scale * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": "|".join(re.escape(in_memory(name)) for name in sorted(edit.modules)),
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"base": edit.base})


def factor_key(module: str, part: str) -> str:
    """PEFT's key of one factor of a module's difference: it follows the names in memory."""
    return f"{PEFT_PREFIX}{in_memory(module)}.lora_{part}.weight"
