"""Correlations of two series, with their p values and confidence intervals."""

from __future__ import annotations

from math import atanh, nan, sqrt, tanh

import numpy as np
import pandas as pd


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson's r over the last axis; NaN where one side is constant or has fewer than two values.

    first, second: (..., n), broadcast against each other. Returns (...).
    """
    first, second = np.broadcast_arrays(*(np.asarray(side, float) for side in (first, second)))
    constant = (np.ptp(first, axis=-1) == 0) | (np.ptp(second, axis=-1) == 0)
    a, b = (side - side.mean(axis=-1, keepdims=True) for side in (first, second))
    with np.errstate(invalid="ignore"):
        r = np.vecdot(a, b) / np.sqrt(np.vecdot(a, a) * np.vecdot(b, b))
    return np.where(constant, nan, np.clip(r, -1, 1))[()]


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rho over the last axis: Pearson's r of the ranks; equal values share their mean.

    first, second: (..., n), broadcast against each other. Returns (...), NaN as for `pearson`.
    """
    return pearson(_ranks(first), _ranks(second))


def correlation_interval(r: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a correlation by Fisher's z, whose standard error is 1/sqrt(n - 3).

    NaN with fewer than four pairs; a perfect correlation has no width.
    """
    from scipy.special import ndtri

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
    from scipy.special import stdtr

    if n < 3 or np.isnan(r):
        return nan
    if abs(r) == 1:
        return 0.0
    return float(2 * stdtr(n - 2, -abs(r) * sqrt((n - 2) / (1 - r**2))))


def _ranks(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    rows = pd.DataFrame(values.reshape(-1, values.shape[-1]))
    return rows.rank(axis=1).to_numpy().reshape(values.shape)
