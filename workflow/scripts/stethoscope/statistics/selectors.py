"""Comparison of layer selectors: the layers of each, and correlations of its score.

Selections as `select_layers` writes them in, tidy tables out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stethoscope.correlation import spearman

LAYER_COLUMNS = ["seed", "selection", "by", "layer", "score", "selected"]
SELECTOR_COLUMNS = [
    "seed", "selection", "by", "n_layers", "layers", "shared_with_ours", "rho_ours", "rho_depth",
]  # fmt: skip


def layers_table(selections: Sequence[Mapping[str, Any]], n_layers: int) -> pd.DataFrame:
    """One row a selection and layer: its score, empty where it has none, and whether selected.

    selections: the fields `seed selection by layers`, and `scores` by layer where there are any.
    """
    rows = [
        {**chosen, "layer": layer, "score": score, "selected": int(layer in chosen["layers"])}
        for chosen in selections
        for layer, score in enumerate(chosen.get("scores") or [None] * n_layers)
    ]
    return pd.DataFrame(rows, columns=LAYER_COLUMNS)


def selectors_table(selections: Sequence[Mapping[str, Any]], ours: str) -> pd.DataFrame:
    """One row a selection: its layers and score, compared with those of `ours`.

    shared_with_ours: layers that both have. rho_ours, rho_depth: Spearman's rank correlation over
    all layers of the score with that of `ours`, and with the number of the layer; empty where
    there is no score, or the same one for all layers. ours: name of the selection.

    Raises ValueError when a seed lacks `ours`.
    """
    references = {chosen["seed"]: chosen for chosen in selections if chosen["selection"] == ours}
    rows = []
    for chosen in selections:
        if chosen["seed"] not in references:
            raise ValueError(f"seed {chosen['seed']}: no selection '{ours}' to compare with")
        reference, scores = references[chosen["seed"]], chosen.get("scores")
        compared = {
            "n_layers": len(chosen["layers"]),
            "layers": ",".join(map(str, chosen["layers"])),
            "shared_with_ours": len(set(chosen["layers"]) & set(reference["layers"])),
            "rho_ours": _rank_correlation(scores, reference.get("scores")),
            "rho_depth": _rank_correlation(scores, scores and range(len(scores))),
        }
        rows.append({**chosen, **compared})
    return pd.DataFrame(rows, columns=SELECTOR_COLUMNS)


def _rank_correlation(
    first: Sequence[float] | None, second: Sequence[float] | None
) -> float | None:
    if not first or not second:
        return None
    return round(float(spearman(first, second)), 12)  # no digits of rounding noise
