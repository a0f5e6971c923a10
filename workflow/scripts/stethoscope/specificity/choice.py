"""Layers that a score selects (paper, section 3), and the similarity of two selections."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Choice:
    """Rule that selects layers by a score: the `top` highest, or all with `at_least` a value."""

    score: str = "sp"
    top: int | None = None
    at_least: float | None = None

    def mask(self, scores: np.ndarray) -> np.ndarray:
        """(..., layers) bool: the layers that are selected; of equal ones the earlier is first."""
        if self.at_least is not None:
            return scores >= self.at_least
        order = np.argsort(-scores, axis=-1, kind="stable")
        mask = np.zeros(scores.shape, bool)
        np.put_along_axis(mask, order[..., : self.top], True, axis=-1)
        return mask


def jaccard(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """|A and B| / |A or B| of sets of layers given as masks over the last axis; 1 if both empty."""
    either = (first | second).sum(axis=-1)
    both = (first & second).sum(axis=-1)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def chance_jaccard(n_layers: int, first: int, second: int) -> float:
    """Expected Jaccard of a set of `first` layers and a random one of `second` layers."""
    if first + second == 0:
        return 1.0
    ways = math.comb(n_layers, second)
    shared = range(max(0, first + second - n_layers), min(first, second) + 1)
    return sum(
        math.comb(first, j) * math.comb(n_layers - first, second - j) / ways
        * (j / (first + second - j))
        for j in shared
    )  # fmt: skip
