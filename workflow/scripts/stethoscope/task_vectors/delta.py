"""The weight difference of one linear module: in factors, entry by entry, or worked out on demand.

The difference that a LoRA makes is scale * B @ A. It stays factored: two orders of magnitude
smaller than the dense difference, and exact in fp32. A difference that is no longer low rank, such
as a trimmed one, is held entry by entry, or made when it is needed. numpy only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

ALL = slice(None)


class Delta:
    """The weight difference of one linear module, whatever its form.

    low_rank: whether it has factors A, B and a scale; without, it has `values`, (outputs, inputs)
    fp32. shape: (outputs, inputs) of the module.
    """

    low_rank: ClassVar[bool] = False
    shape: tuple[int, int]
    values: np.ndarray

    def scaled(self, factor: float) -> Delta:
        """factor times the difference, in fp32."""
        raise NotImplementedError

    def dense(self, rows: slice = ALL, columns: slice = ALL) -> np.ndarray:
        """(outputs, inputs) fp32, the difference itself, or some rows and columns of it."""
        return self.values[rows, columns]

    def energy(self) -> float:
        """Squared Frobenius norm, summed in fp64."""
        return float(np.sum(self.values.astype(np.float64) ** 2))

    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors that a file stores, by the last part of the key."""
        return {"dense": np.ascontiguousarray(self.values, dtype=np.float32)}

    def in_memory(self) -> Delta:
        """The same difference, held in memory."""
        return self

    def on_disk(self, folder: Path) -> Delta:
        """The same difference; one made on demand is stored in a file of the folder."""
        return self


@dataclass(frozen=True)
class LowRank(Delta):
    """scale * B @ A.

    A: (rank, inputs) fp32, B: (outputs, rank) fp32, as PEFT stores them; scale: lora_alpha / r.
    """

    A: np.ndarray
    B: np.ndarray
    scale: float = 1.0
    low_rank: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, int]:
        return self.B.shape[0], self.A.shape[1]

    def scaled(self, factor: float) -> LowRank:
        """factor times the difference in fp32, the factor in B; 1 leaves every bit of fp32 ones."""
        b = (np.float32(factor) * self.B).astype(np.float32)
        return LowRank(self.A.astype(np.float32), b, self.scale)

    def dense(self, rows: slice = ALL, columns: slice = ALL) -> np.ndarray:
        return np.float32(self.scale) * (self.B[rows] @ self.A[:, columns])

    def energy(self) -> float:
        """Squared Frobenius norm, from the factors in fp64: never forms the difference."""
        a, b = self.A.astype(np.float64), self.B.astype(np.float64)
        return float(self.scale**2 * np.sum((b.T @ b) * (a @ a.T)))

    def tensors(self) -> dict[str, np.ndarray]:
        a, b = (np.ascontiguousarray(part, dtype=np.float32) for part in (self.A, self.B))
        return {"lora_A": a, "lora_B": b, "scale": np.array(self.scale, dtype=np.float64)}

    def singular_values(self) -> np.ndarray:
        """(rank,) singular values in fp64, largest first."""
        r_b = np.linalg.qr(self.B.astype(np.float64), mode="r")
        r_a = np.linalg.qr(self.A.astype(np.float64).T, mode="r")
        return abs(self.scale) * np.linalg.svd(r_b @ r_a.T, compute_uv=False)


@dataclass(frozen=True)
class Dense(Delta):
    """A difference that is held. values: (outputs, inputs) fp32."""

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape

    def scaled(self, factor: float) -> Dense:
        return Dense((np.float32(factor) * self.values).astype(np.float32))


@dataclass(frozen=True)
class OnDemand(Delta):
    """A difference that is worked out or read each time it is used, and not held.

    Those of the selected layers of a model of 4 billion parameters are gigabytes.
    make: gives the values, (outputs, inputs) fp32.
    """

    shape: tuple[int, int]
    make: Callable[[], np.ndarray]

    @property
    def values(self) -> np.ndarray:
        return self.make()

    def scaled(self, factor: float) -> OnDemand:
        return OnDemand(self.shape, lambda: Dense(self.make()).scaled(factor).values)

    def in_memory(self) -> Dense:
        return Dense(self.make())

    def on_disk(self, folder: Path) -> OnDemand:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".npy", delete=False) as file:
            np.save(file, self.make())
        return OnDemand(self.shape, partial(np.load, file.name))
