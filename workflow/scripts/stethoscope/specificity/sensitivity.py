"""SP under other readings of eq. (1): epsilons, units of activation, denominators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stethoscope.correlation import spearman
from stethoscope.specificity.choice import Choice, jaccard
from stethoscope.specificity.scores import Scoring, specificity

UNITS = ("mean_active", "raw")
VARIANT = ["epsilon", "unit", "denominator"]


def other_mean(
    means: np.ndarray, target: int, without: int | None = None, largest: bool = False
) -> np.ndarray:
    """(features,) denominator of eq. (1): the mean over the other subjects, or a stricter one.

    means: (subjects, features). without: another subject to leave out, which shows whether SP
    means "target against the others" or "target against that one". largest: each feature's largest
    mean over the others instead of their mean.
    """
    left_out = [target] if without is None else [target, without]
    others = np.delete(means, left_out, axis=0)
    return others.max(axis=0) if largest else others.mean(axis=0)


def sensitivity_tables(
    means: Mapping[int, np.ndarray],
    active: np.ndarray,
    target: str,
    subjects: Sequence[str],
    scoring: Scoring,
    choice: Choice,
    epsilons: Sequence[float],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """SP by every epsilon and unit, and with stricter denominators, against the configured SP.

    means: (subjects, features) subject means by layer, in the SAE's own units; active: (layers,)
    mean active values. Selected layers are those that `choice` takes from eq. (2), whatever score
    it is made for: epsilon has no part in the smoothed one.

    Returns a row for each variant (its Spearman to the configured profile, the Jaccard of the
    selected sets), and the profiles behind them, a row for each variant and layer.
    """
    numbers, index = sorted(means), subjects.index(target)
    configured = (scoring.epsilon, scoring.unit, "mean")

    def profile(epsilon: float, unit: str, options: dict) -> np.ndarray:
        scale = active if unit == "mean_active" else np.ones(len(numbers))
        scaled = [means[layer] / s for layer, s in zip(numbers, scale, strict=True)]
        return np.array(
            [specificity(m[index], other_mean(m, index, **options), epsilon).max() for m in scaled]
        )

    reference = profile(scoring.epsilon, scoring.unit, {})
    chosen = choice.mask(reference)
    rows, profiles = [], []
    for variant, options in _variants(target, subjects, scoring, epsilons).items():
        sp = profile(*variant[:2], options)
        mask = choice.mask(sp)
        rows.append(
            dict(zip(VARIANT, variant, strict=True))
            | {
                "configured": int(variant == configured),
                "sp_lowest": sp.min(),
                "sp_highest": sp.max(),
                "spearman": float(spearman(sp, reference)),
                "jaccard": float(jaccard(mask, chosen)),
                "layers": ",".join(map(str, np.array(numbers)[mask])),
            }
        )
        profiles += [(*variant, *row) for row in zip(numbers, sp, mask.astype(int), strict=True)]
    return pd.DataFrame(rows), pd.DataFrame(profiles, columns=[*VARIANT, "layer", "sp", "selected"])


def _variants(
    target: str, subjects: Sequence[str], scoring: Scoring, epsilons: Sequence[float]
) -> dict[tuple[float, str, str], dict]:
    """Settings of `other_mean` by (epsilon, unit, name of the denominator)."""
    grid = sorted({float(epsilon) for epsilon in (*epsilons, scoring.epsilon)})
    variants: dict[tuple[float, str, str], dict] = {
        (epsilon, unit, "mean"): {} for unit in UNITS for epsilon in grid
    }
    variants[scoring.epsilon, scoring.unit, "largest"] = {"largest": True}
    others = [name for name in subjects if name != target]
    for name in others if len(others) > 1 else ():
        key = (scoring.epsilon, scoring.unit, f"mean without {name}")
        variants[key] = {"without": subjects.index(name)}
    return variants
