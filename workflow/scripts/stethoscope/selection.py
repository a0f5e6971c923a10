"""Sets of layers to edit: the paper's, and the controls, under one signature.

A selector takes the number of layers and its settings and returns a sorted list of layer numbers.
Adding one is adding a function to SELECTORS and a line of YAML.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd


def by_all(n_layers: int) -> list[int]:
    """Every layer: the full merge."""
    return list(range(n_layers))


def by_range(n_layers: int, first: int, last: int) -> list[int]:
    """The window of layers first..last, both included (the paper's MID is 17-27)."""
    if not 0 <= first <= last < n_layers:
        raise ValueError(f"layers {first}-{last}: not a window of a model with {n_layers} layers")
    return list(range(first, last + 1))


def by_specificity(
    n_layers: int,
    table: pd.DataFrame,
    score: str = "sp",
    at_least: float | None = None,
    top: int | None = None,
) -> list[int]:
    """Layers whose specificity score is high: at least a threshold, or the `top` highest.

    Paper, section 3: SP >= 4. table: one row a layer with a column `score`; ties among the
    highest go to the earlier layer.
    """
    if sorted(table["layer"]) != list(range(n_layers)):
        raise ValueError(f"specificity table: expected the layers 0-{n_layers - 1}, one row each")
    if at_least is not None:
        chosen = table.loc[table[score] >= at_least, "layer"].tolist()
        if not chosen:
            best = table.loc[table[score].idxmax()]
            raise ValueError(
                f"no layer has {score} >= {at_least} (highest: {best[score]:.2f} in layer "
                f"{int(best['layer'])}); lower at_least"
            )
        return sorted(chosen)
    ranked = table.sort_values([score, "layer"], ascending=[False, True])
    return sorted(ranked["layer"].head(top).tolist())


def by_random(n_layers: int, like: list[int], draw: int, seed: int) -> list[int]:
    """The draw-th of a sequence of distinct random sets with as many layers as `like`.

    draw: 1, 2, ...; a set equal to `like` or to an earlier draw is drawn again, so that a control
    never is the thing it controls. Raises ValueError when there are not that many distinct sets.
    """
    generator = np.random.default_rng(seed)
    seen = {tuple(sorted(like))}
    if draw > math.comb(n_layers, len(like)) - 1:
        raise ValueError(f"fewer than {draw} other sets of {len(like)} of {n_layers} layers exist")
    while len(seen) <= draw:
        layers = tuple(sorted(generator.choice(n_layers, size=len(like), replace=False).tolist()))
        if layers not in seen:
            seen.add(layers)
            last = layers
    return list(last)


SELECTORS: Mapping[str, Callable[..., list[int]]] = {
    "all": by_all,
    "range": by_range,
    "specificity": by_specificity,
    "random": by_random,
}


def select(by: str, n_layers: int, **settings: Any) -> list[int]:
    """The layers that a selector picks."""
    return SELECTORS[by](n_layers, **settings)
