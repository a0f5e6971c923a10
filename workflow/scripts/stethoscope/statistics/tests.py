"""Tests and intervals that compare two edits on the same problems.

Paper, sec. 4 ("Statistical testing") and Table 1. The paper compares two edits as if each
had its own problems (`two_proportion_z`). Both answer the same ones, so the primary test here is
paired (`mcnemar_exact`), with a paired interval; the paper's z stays beside it. Permutations and
bootstraps are in `resampling`. Where statsmodels has a function, tests compare with it; its import
takes seconds and its last digits differ.

Conventions: a difference is edit minus reference, as a fraction; b counts the problems that the
reference gets wrong and the edit right, c the opposite; every p is two-sided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.special import bdtr, ndtr, ndtri


def two_proportion_z(k0: int, n0: int, k1: int, n1: int, pooled: bool) -> tuple[float, float]:
    """z and p of the two-sample proportion test; z > 0 when the second proportion is higher.

    Paper, sec. 4, "Statistical testing". pooled=True is the textbook test: one variance from
    the pooled proportion. pooled=False takes lm-eval's standard error of each accuracy,
    sqrt(p (1 - p) / (n - 1)), as lm-eval's own model comparison does. Only the latter gives both
    published numbers, z = 3.41 and p = 0.0007 from 160/540 against 213/540; the pooled z is 3.39.

    k0, k1: numbers correct, 0 <= k <= n. n0, n1: numbers of problems, >= 1 (unpooled: >= 2).

    Where both variances are zero: z = 0, p = 1 if the proportions agree (all wrong or all right
    on both sides), else z = +-inf, p = 0.
    """
    for k, n in ((k0, n0), (k1, n1)):
        if not 0 <= k <= n or n < (1 if pooled else 2):
            raise ValueError(f"{k} correct of {n} is not a proportion that this z-test can use")
    p0, p1 = k0 / n0, k1 / n1
    if pooled:
        p = (k0 + k1) / (n0 + n1)
        variance = p * (1 - p) * (1 / n0 + 1 / n1)
    else:
        variance = p0 * (1 - p0) / (n0 - 1) + p1 * (1 - p1) / (n1 - 1)
    if variance == 0:
        return (0.0, 1.0) if p0 == p1 else (inf if p1 > p0 else -inf, 0.0)
    z = (p1 - p0) / sqrt(variance)
    return z, float(2 * ndtr(-abs(z)))


def mcnemar_exact(b: int, c: int) -> float:
    """Exact p of McNemar's test: under the null, b of the b + c discordant is Bin(b + c, 1/2).

    b: reference wrong, edit right; c: reference right, edit wrong. 1 if there are none.
    """
    return min(1.0, float(2 * bdtr(min(b, c), b + c, 0.5)))


def wilson_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the proportion k / n, without continuity correction."""
    z = float(ndtri((1 + level) / 2))
    p = k / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # At k = 0 and k = n the limit is 0 or 1; rounding must not leave it a hair inside.
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


def newcombe_interval(
    both: int, b: int, c: int, neither: int, level: float = 0.95
) -> tuple[float, float]:
    """Newcombe's paired score interval of the difference (b - c) / n, his method 10.

    R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650: Wilson's interval of each
    proportion, joined by the correlation phi of the two answers, with the continuity correction
    of phi that is method 10. It stays within [-1, 1] and has a width also when b = c = 0.
    """
    n = both + b + c + neither
    right_edit, right_reference = both + b, both + c
    low1, high1 = wilson_interval(right_edit, n, level)
    low0, high0 = wilson_interval(right_reference, n, level)
    p1, p0 = right_edit / n, right_reference / n

    margins = right_edit * (n - right_edit) * right_reference * (n - right_reference)
    covariance = both * neither - b * c
    if covariance > 0:
        covariance = max(covariance - n / 2, 0)
    phi = covariance / sqrt(margins) if margins else 0.0

    def joined(x: float, y: float) -> float:
        return sqrt(max(x**2 - 2 * phi * x * y + y**2, 0.0))

    difference = (b - c) / n
    return difference - joined(p1 - low1, high0 - p0), difference + joined(high1 - p1, p0 - low0)


@dataclass(frozen=True)
class PairedDifference:
    """An edit against a reference on the same n problems.

    difference, ci_low, ci_high are fractions (0.098 is 9.8 percentage points); the interval
    is `newcombe_interval` at 95 %. z and p_z are the paper's, unpaired with lm-eval's errors.
    """

    n: int
    correct_reference: int
    correct_edit: int
    b: int
    c: int
    difference: float
    ci_low: float
    ci_high: float
    p_mcnemar: float
    z: float
    p_z: float


def paired_difference(reference: np.ndarray, edit: np.ndarray) -> PairedDifference:
    """Compare an edit with a reference, problem by problem.

    reference, edit: (n,) of 0 or 1, the same problems in the same order; n >= 2.
    """
    reference, edit = _answers(reference), _answers(edit)
    n = _same_length(reference, edit)
    both = int(np.sum(reference & edit))
    k0, k1 = int(reference.sum()), int(edit.sum())
    b, c = k1 - both, k0 - both
    low, high = newcombe_interval(both, b, c, n - both - b - c)
    z, p_z = two_proportion_z(k0, n, k1, n, pooled=False)
    p = mcnemar_exact(b, c)
    return PairedDifference(n, k0, k1, b, c, (b - c) / n, low, high, p, z, p_z)


def holm(pvalues: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values (family-wise error), in the order given. Raises on NaN."""
    p = _pvalues(pvalues)
    order = np.argsort(p, kind="stable")
    p[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return p


def benjamini_hochberg(pvalues: Sequence[float]) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p (false discovery rate), in the order given."""
    p = _pvalues(pvalues)
    order = np.argsort(p, kind="stable")[::-1]  # largest first
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    p[order] = np.minimum(stepped, 1.0)
    return p


def non_inferiority(low: float, high: float, margin: float) -> str:
    """Whether an edit is shown to lose less than `margin`, from the interval of its difference.

    low, high: 95 % interval; its lower end alone is a one-sided 97.5 % bound, so that an edit
    which loses exactly the margin is called not inferior at most once in 40 times.

    not inferior: losses of the margin or more are excluded. degraded: so is no loss at all.
    degraded within margin: both, a loss that is shown and is small. undecided: neither.
    """
    if margin <= 0 or low > high:
        raise ValueError(
            f"margin {margin}, interval [{low}, {high}]: needs margin > 0, low <= high"
        )
    small, lost = low > -margin, high < 0
    if small:
        return "degraded within margin" if lost else "not inferior"
    return "degraded" if lost else "undecided"


def minimum_detectable_effect(
    n: int, discordance: float, power: float = 0.8, level: float = 0.05
) -> float:
    """Smallest true difference that a paired test on n problems finds with this power.

    (z_{1 - level/2} + z_{power}) sqrt(discordance / n), as a fraction. discordance is
    (b + c) / n, the share of problems that the two answer differently. A normal approximation
    for small effects: the variance of the difference is taken as the discordance.
    """
    if n < 1 or not 0 <= discordance <= 1:
        raise ValueError(f"n {n}, discordance {discordance}: needs n >= 1, discordance in [0, 1]")
    return float((ndtri(1 - level / 2) + ndtri(power)) * sqrt(discordance / n))


def _answers(values: np.ndarray) -> np.ndarray:
    """values as int8, after checking that each is 0 or 1."""
    array = np.asarray(values)
    if array.ndim != 1 or not np.isin(array, (0, 1)).all():
        raise ValueError(f"answers must be a vector of 0 and 1 (found shape {array.shape})")
    return array.astype(np.int8)


def _same_length(reference: np.ndarray, edit: np.ndarray) -> int:
    if len(reference) != len(edit) or len(reference) < 2:
        raise ValueError(
            f"reference has {len(reference)} answers, edit {len(edit)} (needs the same, >= 2)"
        )
    return len(reference)


def _pvalues(pvalues: Sequence[float]) -> np.ndarray:
    p = np.array(pvalues, dtype=np.float64)  # a copy: the callers write into it
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():  # NaN fails both comparisons
        raise ValueError(f"p-values must be a list of numbers in [0, 1] (found {p.tolist()})")
    return p
