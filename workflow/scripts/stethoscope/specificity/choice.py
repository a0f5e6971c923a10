"""Which layers a score selects: its highest, or those at a threshold (paper, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Choice:
    """How layers are selected from a score: the `top` highest, or all with `at_least` a value."""

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
