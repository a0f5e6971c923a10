"""Layer selections beside one another: what each picked, and what its score goes with.

Selections as `select_layers` writes them in, tidy tables out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

LAYER_COLUMNS = ["seed", "selection", "by", "layer", "score", "selected"]
SELECTOR_COLUMNS = [
    "seed", "selection", "by", "n_layers", "layers", "shared_with_ours", "rho_ours", "rho_depth",
]  # fmt: skip


def layers_table(selections: Sequence[Mapping[str, Any]], n_layers: int) -> pd.DataFrame:
    """One row a selection and layer: its score, empty where it has none, and whether selected.

    selections: the fields `seed selection by layers`, and `scores` by layer where there are any.
    """
    rows = []
    for found in selections:
        scores = found.get("scores") or [None] * n_layers
        for layer, score in enumerate(scores):
            chosen = int(layer in found["layers"])
            rows.append([found["seed"], found["selection"], found["by"], layer, score, chosen])
    return pd.DataFrame(rows, columns=LAYER_COLUMNS)


def selectors_table(selections: Sequence[Mapping[str, Any]], ours: str) -> pd.DataFrame:
    """One row a selection: its layers, and how they and its score compare with those of `ours`.

    shared_with_ours: layers that both have. rho_ours, rho_depth: Spearman's rank correlation over
    all layers of the score with that of `ours`, and with the number of the layer; empty where
    there is no score, or the same one for all layers. ours: name of the selection.

    Raises ValueError when a seed lacks `ours`.
    """
    mine = {found["seed"]: found for found in selections if found["selection"] == ours}
    rows = []
    for found in selections:
        if found["seed"] not in mine:
            raise ValueError(f"seed {found['seed']}: no selection '{ours}' to compare with")
        own, scores = mine[found["seed"]], found.get("scores")
        rows.append(
            [
                found["seed"],
                found["selection"],
                found["by"],
                len(found["layers"]),
                ",".join(map(str, found["layers"])),
                len(set(found["layers"]) & set(own["layers"])),
                _spearman(scores, own.get("scores")),
                _spearman(scores, range(len(scores)) if scores else None),
            ]
        )
    return pd.DataFrame(rows, columns=SELECTOR_COLUMNS)


def _spearman(first: Sequence[float] | None, second: Sequence[float] | None) -> float | None:
    """Pearson's correlation of the ranks; equal values share the mean of theirs."""
    if not first or not second or min(len(set(first)), len(set(second))) < 2:
        return None
    ranks = [pd.Series(list(values)).rank().to_numpy() for values in (first, second)]
    return round(float(np.corrcoef(*ranks)[0, 1]), 12)  # no digits of rounding noise
