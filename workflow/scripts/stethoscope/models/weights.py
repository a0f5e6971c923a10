"""Weights of a model folder, read without loading the model. numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from stethoscope.runtime.tensor_files import Place, open_tensors, read_rows, tensor_places


class Weights(Mapping[str, np.ndarray]):
    """Weights of a model by module name, in fp32: each is read on access and not kept.

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
    places: dict[str, Place] = {}
    for path in sorted(Path(model).glob("*.safetensors")):
        places |= tensor_places(path)
    if missing := [name for name in modules if f"{name}.weight" not in places]:
        raise ValueError(f"{model}: no weight {missing[0]}.weight")
    return Weights({name: places[f"{name}.weight"] for name in modules})


def weight_shapes(model: str | Path) -> dict[str, tuple[int, ...]]:
    """Shape of each weight of a model folder, read from the headers of its safetensors files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(Path(model).glob("*.safetensors")):
        with open_tensors(path) as file:
            shapes |= {key: file.shape(key) for key in file.keys()}
    if not shapes:
        raise ValueError(f"{model}: no safetensors files of a model")
    return shapes
