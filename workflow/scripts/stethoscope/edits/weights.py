"""Weights of a model folder, and what an edit makes of one (paper, eq. 3). numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from stethoscope.edits.projection import norm_of
from stethoscope.runtime.files import read_json
from stethoscope.runtime.tensor_files import Place, read_rows, tensor_places
from stethoscope.task_vectors.delta import Delta


def edited_weight(
    weight: np.ndarray,
    delta: Delta,
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> np.ndarray:
    """theta_l + alpha * tau_l for one module (paper, eq. 3), in fp32.

    weight: (outputs, inputs) fp32, or the part of it in some rows and columns; delta has alpha in
    it already.
    """
    return weight + delta.dense(rows, columns)


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


def _places(model: str | Path, keys: list[str]) -> dict[str, Place]:
    """Where some tensors of a model folder lie, by key; one line that names a missing one."""
    found = {}
    for path in sorted(Path(model).glob("*.safetensors")):
        found |= tensor_places(path)
    if missing := [key for key in keys if key not in found]:
        raise ValueError(f"{model}: no weight {missing[0]}")
    return {key: found[key] for key in keys}
