"""Sums of SAE activations over each problem, from which SP is computed. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


@dataclass(frozen=True)
class ProblemSums:
    """Activations of one layer's SAE features, summed over the tokens of each problem.

    Sparse rows (CSR): the entries of problem p are indptr[p]:indptr[p + 1].

    indptr: (problems + 1,); indices: (entries,) feature numbers.
    sums: (entries,) activation summed over tokens, in the SAE's own units; > 0.
    fires: (entries,) number of tokens on which the feature fires.
    maxima: (entries,) largest activation.
    tokens: (problems,) tokens counted (no padding, no special tokens).
    subjects: (problems,) index into the study's list of subjects.
    n_features: dictionary width.
    """

    indptr: np.ndarray
    indices: np.ndarray
    sums: np.ndarray
    fires: np.ndarray
    maxima: np.ndarray
    tokens: np.ndarray
    subjects: np.ndarray
    n_features: int

    def token_means(self) -> np.ndarray:
        """(problems, features) mean activation over the tokens of each problem."""
        means = np.zeros((len(self.tokens), self.n_features))
        rows = np.repeat(np.arange(len(self.tokens)), np.diff(self.indptr))
        means[rows, self.indices] = self.sums
        return means / self.tokens[:, None]

    def mean_active_value(self) -> float:
        """Mean of the activations that are above zero, over all problems and features."""
        return float(self.sums.sum() / self.fires.sum())

    def save(self, path: str | Path) -> None:
        """Write as safetensors."""
        arrays = {name: getattr(self, name) for name in self.__dataclass_fields__}
        arrays["n_features"] = np.array([self.n_features])
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(path))

    @classmethod
    def load(cls, path: str | Path) -> ProblemSums:
        """Read what `save` wrote."""
        arrays = load_file(str(path))
        return cls(**{**arrays, "n_features": int(arrays["n_features"][0])})
