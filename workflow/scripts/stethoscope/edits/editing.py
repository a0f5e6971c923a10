"""Edits: theta_l + alpha * tau_l in the selected layers (paper, eq. 3), as PEFT adapters.

An edit is a LoRA with alpha baked into B and the other layers absent: exact in fp32, small, and
loadable by anything that loads adapters. One that is not low rank is a file of its differences,
alpha and layers treated alike. numpy only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from stethoscope.edits.projection import (
    StreamMap,
    measured,
    norm_of,
    oracle_energy,
    project,
    writes_to_stream,
)
from stethoscope.models.parameter_names import in_memory
from stethoscope.runtime.files import read_json
from stethoscope.runtime.tensor_files import (
    Place,
    read_rows,
    row_blocks,
    tensor_places,
    to_bfloat16,
)
from stethoscope.task_vectors.task_vector import (
    Dense,
    DenseOnDemand,
    LowRank,
    TaskVector,
    factor_key,
    layer_of,
    part_of,
    read_adapter,
)

DIFFERENCES = "differences.safetensors"  # of an edit that is not low rank


def scaled(vector: TaskVector, alpha: float | np.ndarray) -> TaskVector:
    """alpha * tau in fp32, with alpha in B; alpha = 1 leaves every bit of fp32 factors.

    alpha: one number, or (layers,) one for each layer.
    """
    each = np.ndim(alpha) > 0

    def factor(name: str) -> float:
        return float(alpha[layer_of(name)] if each else alpha)

    if isinstance(vector.modules, DenseOnDemand):
        return TaskVector(vector.modules.scaled(factor), vector.base)
    modules = {name: delta.scaled(factor(name)) for name, delta in vector.modules.items()}
    return TaskVector(modules, vector.base)


def projected(vector: TaskVector, maps: Mapping[str, StreamMap]) -> TaskVector:
    """The task vector with the stream side of each module mapped; factors in fp64.

    maps: by module name.
    """
    modules = {name: project(name, delta, maps[name]) for name, delta in vector.modules.items()}
    return TaskVector(modules, vector.base)


def matching_scale(edit: TaskVector, like: TaskVector) -> float:
    """Factor that gives an edit the norm of another; separates direction from size."""
    energy = edit.energy()
    if energy == 0:
        raise ValueError("the projection keeps nothing of the task vector, so no scale matches it")
    return float(np.sqrt(like.energy() / energy))


def edited_weight(
    weight: np.ndarray,
    delta: LowRank | Dense,
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> np.ndarray:
    """theta_l + alpha * tau_l for one module (paper, eq. 3), in fp32.

    weight: (outputs, inputs) fp32, or the part of it in some rows and columns; delta has alpha in
    it already.
    """
    return weight + delta.dense(rows, columns)


def energy_record(
    vector: TaskVector,
    kept: TaskVector,
    edit: TaskVector,
    weights: Mapping[str, np.ndarray],
    maps: Mapping[str, StreamMap] | None,
) -> pd.DataFrame:
    """What an edit intends and what lands in the weights, one row a module.

    vector: tau in the selected layers. kept: what the transform left of it, before any rescaling.
    edit: what is added. weights: the base's fp32 weights by module name. maps: of the projection,
    by module name; None for edits that project nothing.

    Columns: energies are squared Frobenius norms. `measured_*` are energies where the projector is
    orthogonal: those of the weights, or for the norm-aware reading those behind the norm's gain.
    `energy_oracle` is the most that a projection on as many dimensions could keep there, `chance`
    the share that random directions keep. `landed_*` and `inner_*` describe
    D = stored(W + edit) - stored(W) for weights stored as fp32 and as bf16: its energy and its
    inner product with the intended edit; `unchanged_*` counts the entries whose stored value did
    not move; `outside_*` is the energy of D outside of what the projection can reach. Oracle,
    chance and outside are empty where nothing is projected.
    """
    rows = []
    for name, delta in edit.modules.items():
        weight, where = weights[name], maps[name] if maps else None
        seen, left = vector.modules[name], kept.modules[name]
        energies = {"energy_vector": seen.energy(), "energy_kept": left.energy()}
        if where:
            seen, left = (measured(name, part, where.gain) for part in (seen, left))
        row = {
            "layer": layer_of(name),
            "module": part_of(name),
            "entries": weight.size,
            "energy_weight": 0.0,
            **energies,
            "measured_vector": seen.energy(),
            "measured_kept": left.energy(),
            "energy_oracle": oracle_energy(seen, where.dimensions) if where else None,
            "chance": where.chance if where else None,
            "energy_edit": delta.energy(),
        }
        row |= {key: 0 if "unchanged" in key else 0.0 for key in RECORD_COLUMNS[11:]}
        for part in _parts_along_the_stream(name, *weight.shape):
            before = weight[part]
            intended, edited = delta.dense(*part), edited_weight(before, delta, *part)
            row["energy_weight"] += float(np.sum(before.astype(np.float64) ** 2))
            for kind, old, new in (
                ("fp32", before, edited),
                ("bf16", to_bfloat16(before), to_bfloat16(edited)),
            ):
                landed = new.astype(np.float64) - old
                row[f"landed_{kind}"] += float(np.sum(landed**2))
                row[f"inner_{kind}"] += float(np.sum(landed * intended))
                row[f"unchanged_{kind}"] += int(np.sum(landed == 0))
                if where:
                    side = landed if writes_to_stream(name) else landed.T
                    row[f"outside_{kind}"] += where.outside(side)
        if not where:
            row["outside_fp32"] = row["outside_bf16"] = None
        rows.append(row)
    return pd.DataFrame(rows, columns=RECORD_COLUMNS)


RECORD_COLUMNS = [
    "layer", "module", "entries", "energy_weight", "energy_vector", "energy_kept",
    "measured_vector", "measured_kept", "energy_oracle", "chance", "energy_edit", "landed_fp32",
    "inner_fp32", "unchanged_fp32", "outside_fp32", "landed_bf16", "inner_bf16", "unchanged_bf16",
    "outside_bf16",
]  # fmt: skip


def energy_summary(record: pd.DataFrame) -> dict[str, Any]:
    """An edit's energies over all its modules, as shares (design of the table: `energy.tsv`).

    energy_retained = ||P tau||^2 / ||tau||^2 in the selected layers, 1 for raw edits, and where
    task vectors are merged otherwise than by their sum the share of the sum's energy;
    norm_retained is its square root. chance and oracle are what a random and the best projection
    of the same rank keep, and alignment = (retained - chance) / (oracle - chance) places the edit
    between them: 0 is chance, 1 the best. landed_energy and landed_cosine compare what the stored
    weights moved by with what was intended; unchanged is the share of entries that did not move,
    outside the share of what moved that the projection cannot have made.
    """
    total = record.drop(columns=["layer", "module"]).astype(float).sum()
    is_projection = record["chance"].notna().any()
    by_chance = (record["chance"] * record["measured_vector"]).astype(float).sum()

    def share(part: float, whole: float) -> float | None:
        """None where there is nothing to take a share of: the base, or alpha = 0."""
        return float(part / whole) if whole > 0 else None

    def root(value: float | None) -> float | None:
        return None if value is None else float(np.sqrt(value))

    retained = share(total["measured_kept"], total["measured_vector"])
    chance = oracle = alignment = None
    if is_projection:
        chance = share(by_chance, total["measured_vector"])
        oracle = share(total["energy_oracle"], total["measured_vector"])
    if None not in (retained, chance, oracle):
        alignment = share(retained - chance, oracle - chance)
    layers = sorted(set(record["layer"]))
    summary = {
        "n_layers": len(layers),
        "layers": ",".join(map(str, layers)),
        "energy_task_vector": float(total["energy_vector"]),
        "energy_edit": float(total["energy_edit"]),
        "energy_retained": retained,
        "norm_retained": root(retained),
        "chance": chance,
        "oracle": oracle,
        "alignment": alignment,
        "relative_norm": root(share(total["energy_edit"], total["energy_weight"])),
    }
    for kind in ("fp32", "bf16"):
        landed, intended = total[f"landed_{kind}"], total["energy_edit"]
        summary |= {
            f"landed_energy_{kind}": share(landed, intended),
            f"landed_cosine_{kind}": share(total[f"inner_{kind}"], np.sqrt(landed * intended)),
            f"unchanged_{kind}": share(total[f"unchanged_{kind}"], total["entries"]),
            f"outside_{kind}": share(total[f"outside_{kind}"], landed) if is_projection else None,
        }
    return summary


class Weights(Mapping[str, np.ndarray]):
    """Weights of a model by module name, in fp32: each is read when it is asked for, and not kept.

    The selected layers of a model of 4 billion parameters are gigabytes in fp32.
    """

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> np.ndarray:
        return read_rows(self._places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read_weights(model: str | Path, modules: list[str]) -> Weights:
    """The base's weights of some modules, fp32 by module name; nothing else is read.

    Raises ValueError when the model lacks one.
    """
    places = _places(model, [f"{name}.weight" for name in modules])
    return Weights({name: places[f"{name}.weight"] for name in modules})


def read_gains(model: str | Path, modules: list[str]) -> dict[str, np.ndarray]:
    """Gain of the RMSNorm between each module and the residual stream, (d,) fp64 by module name.

    Gemma's norms multiply by 1 + weight, and stand on both sides of attention and MLP.

    Raises ValueError for a model of another family, whose norms stand elsewhere.
    """
    family = read_json(Path(model) / "config.json").get("model_type", "")
    if not family.startswith(("gemma2", "gemma3")):
        raise ValueError(
            f"{model}/config.json: model_type '{family}': projection.reading norm_aware knows "
            "the norms of gemma2 and gemma3"
        )
    keys = {name: f"{norm_of(name)}.weight" for name in modules}
    places = _places(model, sorted(set(keys.values())))
    return {name: 1.0 + read_rows(places[key]).astype(np.float64) for name, key in keys.items()}


def save_edit(folder: Path, edit: TaskVector, base_model: str) -> None:
    """Write an edit: a PEFT adapter, or the differences themselves where they are not low rank.

    base_model: as for `save_adapter`.
    """
    if any(isinstance(delta, Dense) for delta in edit.modules.values()):
        edit.save(folder / DIFFERENCES)
    else:
        save_adapter(folder, edit, base_model)


def read_edit(folder: str | Path) -> TaskVector:
    """An edit as `save_edit` writes it, whichever of the two forms it has.

    Raises ValueError where the folder has both forms, or something else in place of them.
    """
    differences = Path(folder) / DIFFERENCES
    if not differences.exists():
        return read_adapter(folder)
    if (Path(folder) / "adapter_model.safetensors").exists():
        raise ValueError(f"{folder}: holds an adapter and {DIFFERENCES}: which is the edit?")
    return TaskVector.load(differences)


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


def _parts_along_the_stream(
    module: str, outputs: int, inputs: int
) -> Iterator[tuple[slice, slice]]:
    """A weight in blocks that each span the side of the residual stream, as rows and columns."""
    if writes_to_stream(module):
        yield from ((slice(None), part) for part in row_blocks(inputs, outputs))
    else:
        yield from ((part, slice(None)) for part in row_blocks(outputs, inputs))


def _places(model: str | Path, keys: list[str]) -> dict[str, Place]:
    """Where some tensors of a model folder lie, by key; one line that names a missing one."""
    found = {}
    for path in sorted(Path(model).glob("*.safetensors")):
        found |= tensor_places(path)
    if missing := [key for key in keys if key not in found]:
        raise ValueError(f"{model}: no weight {missing[0]}")
    return {key: found[key] for key in keys}
