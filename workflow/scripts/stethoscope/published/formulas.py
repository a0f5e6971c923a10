"""Candidate tests behind the paper's headline z and p (abstract; sec. 4)."""

from __future__ import annotations

from math import asin, log, sqrt

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtr
from scipy.stats import fisher_exact

from stethoscope.published.recompute import correct_count, lmeval_error
from stethoscope.statistics.tests import two_proportion_z


def published_formulas(
    base: float, edit: float, n: int, z_printed: str, p_printed: str
) -> pd.DataFrame:
    """Candidate tests of two accuracies, each compared with the printed z and p.

    base, edit: accuracies in percent, as printed; no rows unless each fits exactly one count.
    Returns `formula z p z_printed p_printed z_prints p_prints both_print`; the last three are yes
    or no, and empty where a test has no z.
    """
    candidates = {}
    counts = [correct_count(percent, n) for percent in (base, edit) if pd.notna(percent)]
    if [len(possible) for possible in counts] == [1, 1]:
        candidates = _candidates(counts[0][0], counts[1][0], n, base / 100, edit / 100)
        candidates["normal p of the printed z"] = _normal(float(z_printed))
    rows = []
    for formula, (z, p) in candidates.items():
        z_prints = None if z is None else prints_as(z, z_printed)
        p_prints = prints_as(p, p_printed)
        prints = (z_prints, p_prints, bool(z_prints) and p_prints)
        words = (None if x is None else "yes" if x else "no" for x in prints)
        rows.append((formula, z, p, z_printed, p_printed, *words))
    columns = ["formula", "z", "p", "z_printed", "p_printed", "z_prints", "p_prints", "both_print"]
    return pd.DataFrame(rows, columns=columns).astype({"z": "float64"})


def prints_as(value: float, printed: str) -> bool:
    """Whether value, rounded to as many decimals, equals the printed one ("+3.41", "0.0007")."""
    decimals = len(printed.partition(".")[2])
    return f"{value:.{decimals}f}" == printed.lstrip("+").replace("−", "-")


def _variance(p: float) -> float:
    return p * (1 - p)


def _normal(z: float) -> tuple[float, float]:
    return z, float(2 * ndtr(-abs(z)))


def _candidates(
    k0: int, k1: int, n: int, printed0: float, printed1: float
) -> dict[str, tuple[float | None, float]]:
    """z (None where a test has none) and p of k1 / n against k0 / n by each test's name."""
    p0, p1 = k0 / n, k1 / n
    variance0, variance1 = _variance(p0), _variance(p1)
    error = lmeval_error(p0, p1, n)
    lmeval = two_proportion_z(k0, n, k1, n, pooled=False)
    # Welch: lm-eval's z, as a t with Welch's degrees of freedom.
    degrees = (n - 1) * (variance0 + variance1) ** 2 / (variance0**2 + variance1**2)
    pooled = (k0 + k1) / (2 * n)
    yates = np.sign(k1 - k0) * max(abs(k1 - k0) / n - 1 / n, 0)
    # As lm-eval's table prints them, to 4 decimals.
    rounded = round(p1, 4) - round(p0, 4)
    errors = (round(sqrt(variance / (n - 1)), 4) for variance in (variance0, variance1))
    log_odds = log(k1 / (n - k1)) - log(k0 / (n - k0))
    odds_error = sqrt(1 / k0 + 1 / (n - k0) + 1 / k1 + 1 / (n - k1))
    return {
        "unpooled, lm-eval's standard errors (n − 1)": lmeval,
        "unpooled, n, from the printed percentages": _normal(
            (printed1 - printed0) / sqrt((_variance(printed0) + _variance(printed1)) / n)
        ),
        "unpooled, accuracies rounded to 4 decimals": _normal(rounded / error),
        "Welch's t of the 0/1 scores": (lmeval[0], float(2 * stdtr(degrees, -abs(lmeval[0])))),
        "unpooled, n": _normal((k1 - k0) / n / (error * sqrt((n - 1) / n))),
        "pooled (the textbook test)": two_proportion_z(k0, n, k1, n, pooled=True),
        "pooled, Yates's correction": _normal(yates / sqrt(pooled * (1 - pooled) * 2 / n)),
        "unpooled, accuracy and error as in lm-eval's table": _normal(
            rounded / sqrt(sum(error**2 for error in errors))
        ),
        "difference of arcsines": _normal(2 * (asin(sqrt(p1)) - asin(sqrt(p0))) * sqrt(n / 2)),
        "difference of log odds (Wald)": _normal(log_odds / odds_error),
        "Fisher's exact test": (None, fisher_exact([[k1, n - k1], [k0, n - k0]]).pvalue),
    }
