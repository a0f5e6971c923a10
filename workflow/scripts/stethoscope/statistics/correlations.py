"""Whether two measures of the same edits go together: perplexity and accuracy (appendix D)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import atanh, nan, sqrt, tanh
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtr

SPLITS = ("validation", "test")
SEARCH_COLUMNS = [
    "seed", "search", "edit", "perplexity", "n_validation", "accuracy_validation", "n_test",
    "accuracy_test",
]  # fmt: skip
CORRELATION_COLUMNS = [
    "seed", "search", "split", "n", "r", "r_low", "r_high", "p", "rho", "p_rho",
    "lowest_is_most_accurate",
]  # fmt: skip


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's r; NaN where one of the two is constant, or with fewer than two pairs."""
    first, second = (np.asarray(values, dtype=float) for values in (first, second))
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return nan
    first, second = first - first.mean(), second - second.mean()
    r = float(first @ second / sqrt((first @ first) * (second @ second)))
    return max(-1.0, min(1.0, r))


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rho: Pearson's r of the ranks, where equal values share the mean of theirs."""
    return pearson(*(pd.Series(values).rank().to_numpy() for values in (first, second)))


def fisher_interval(r: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a correlation by Fisher's z, whose standard error is 1/sqrt(n - 3).

    NaN with fewer than four pairs; a perfect correlation has no width.
    """
    if n < 4 or np.isnan(r):
        return nan, nan
    if abs(r) == 1:
        return r, r
    half = float(ndtri((1 + level) / 2)) / sqrt(n - 3)
    return tanh(atanh(r) - half), tanh(atanh(r) + half)


def correlation_p(r: float, n: int) -> float:
    """Two-sided p of no correlation, from Student's t with n - 2 degrees of freedom.

    Exact for Pearson's r of normal data, an approximation for Spearman's rho. NaN with fewer than
    three pairs.
    """
    if n < 3 or np.isnan(r):
        return nan
    if abs(r) == 1:
        return 0.0
    return float(2 * stdtr(n - 2, -abs(r) * sqrt((n - 2) / (1 - r**2))))


def search_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a configuration that a search kept: its perplexity and its accuracies."""
    return pd.DataFrame(rows, columns=SEARCH_COLUMNS)


def correlations_table(configurations: pd.DataFrame) -> pd.DataFrame:
    """Perplexity against accuracy, one row a seed, search and split.

    configurations: as of `search_table`. Each seed stands alone: its base model has a level of
    perplexity of its own. lowest_is_most_accurate: 1 if no other configuration has more right
    than the one of lowest perplexity.
    """
    rows = []
    for (seed, search), part in configurations.groupby(["seed", "search"], sort=False):
        perplexity, n = part["perplexity"].to_numpy(), len(part)
        for split in SPLITS:
            accuracy = part[f"accuracy_{split}"].to_numpy()
            r, rho = pearson(perplexity, accuracy), spearman(perplexity, accuracy)
            lowest = int(accuracy[perplexity.argmin()] == accuracy.max())
            tests = (r, *fisher_interval(r, n), correlation_p(r, n), rho, correlation_p(rho, n))
            rows.append((seed, search, split, n, *tests, lowest))
    return pd.DataFrame(rows, columns=CORRELATION_COLUMNS)
