"""Correlation of perplexity and accuracy over the same edits (appendix D)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stethoscope.correlation import correlation_interval, correlation_p, pearson, spearman

SPLITS = ("validation", "test")
SEARCH_COLUMNS = [
    "seed", "search", "edit", "perplexity", "n_validation", "accuracy_validation", "n_test",
    "accuracy_test",
]  # fmt: skip
CORRELATION_COLUMNS = [
    "seed", "search", "split", "n", "r", "r_low", "r_high", "p", "rho", "p_rho",
    "lowest_is_most_accurate",
]  # fmt: skip


def search_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a configuration that a search kept: its perplexity and its accuracies."""
    return pd.DataFrame(rows, columns=SEARCH_COLUMNS)


def correlations_table(configurations: pd.DataFrame) -> pd.DataFrame:
    """Perplexity against accuracy, one row a seed, search and split.

    configurations: as of `search_table`. Seeds are kept apart, since each base model has its own
    level of perplexity. lowest_is_most_accurate: 1 if no configuration is more accurate than the
    one of lowest perplexity.
    """
    rows = []
    for (seed, search), part in configurations.groupby(["seed", "search"], sort=False):
        perplexity, n = part["perplexity"].to_numpy(), len(part)
        for split in SPLITS:
            accuracy = part[f"accuracy_{split}"].to_numpy()
            r, rho = pearson(perplexity, accuracy), spearman(perplexity, accuracy)
            lowest = int(accuracy[perplexity.argmin()] == accuracy.max())
            tested = (r, *correlation_interval(r, n), correlation_p(r, n))
            ranked = (rho, correlation_p(rho, n))
            rows.append((seed, search, split, n, *tested, *ranked, lowest))
    return pd.DataFrame(rows, columns=CORRELATION_COLUMNS)
