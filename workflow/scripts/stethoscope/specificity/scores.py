"""Specificity of SAE features and of layers to a subject (paper, section 3, eqs. 1 and 2).

Everything is computed from per-problem activation sums, so that another formula, epsilon or
resampling is a re-score in seconds. A feature's mean activation on a subject is the mean over the
subject's problems of its mean over the problem's tokens: the problem is the unit of sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stethoscope.saes.problem_sums import ProblemSums

COLUMNS = ["layer", "sp", "n_features", "feature", "sp_smooth", "feature_smooth"]


@dataclass(frozen=True)
class Scoring:
    """Settings of SP.

    epsilon: of eq. (1). unit: 'mean_active' measures activations in multiples of the layer's mean
    active value, so that epsilon means the same in each layer; 'raw' leaves them as they are.
    smoothing_quantile: the smoothing is this quantile of the subject-averaged means of the features
    that fire at all. threshold: a feature is domain-specific above it (tau of section 3).
    """

    epsilon: float
    unit: str
    smoothing_quantile: float
    threshold: float


def subject_means(sums: ProblemSums, n_subjects: int) -> np.ndarray:
    """(subjects, features) mean over a subject's problems of the per-problem token mean.

    Raises ValueError when a subject has no problem.
    """
    means = sums.token_means()
    counts = np.bincount(sums.subjects, minlength=n_subjects)
    if (counts == 0).any():
        raise ValueError(f"activation sums: subject {int(counts.argmin())} has no problem")
    return np.stack([means[sums.subjects == subject].mean(axis=0) for subject in range(n_subjects)])


def specificity(target_mean: np.ndarray, other_mean: np.ndarray, epsilon: float) -> np.ndarray:
    """Ratio of each feature's mean activation on the target subject to that on the others.

    Paper, eq. (1).

    target_mean, other_mean: (features,) in the same units, >= 0; `other_mean` is the macro mean
    over the other subjects. epsilon: > 0, same units; it acts as an absolute floor, since a
    feature can only exceed 1 when its two means differ by more than epsilon.

    Raises ValueError if a mean is negative or not finite.
    """
    _check_means(target_mean, other_mean)
    if not epsilon > 0:
        raise ValueError(f"specificity.epsilon: {epsilon} is not above zero")
    return target_mean / (other_mean + epsilon)


def smoothed_specificity(
    target_mean: np.ndarray, other_mean: np.ndarray, smoothing: float
) -> np.ndarray:
    """The ratio of eq. (1) shrunk towards 1: the same amount is added to both sides.

    Not in the paper. With eq. (1) a rare feature that never fires on the others can outscore
    every common one; shrinking by a typical feature's mean removes most of that.

    target_mean, other_mean: (features,); smoothing: > 0, same units.
    """
    _check_means(target_mean, other_mean)
    return (target_mean + smoothing) / (other_mean + smoothing)


def layer_specificity(feature_specificity: np.ndarray) -> tuple[float, int]:
    """SP of a layer: the largest specificity over its features, and the feature that has it.

    Paper, eq. (2). feature_specificity: (features,).
    """
    feature = int(np.argmax(feature_specificity))
    return float(feature_specificity[feature]), feature


def feature_scores(
    sums: ProblemSums, target: int, n_subjects: int, scoring: Scoring
) -> tuple[np.ndarray, np.ndarray]:
    """Specificity of each feature of a layer: eq. (1), and its smoothed variant.

    target: index of the target subject. Raises ValueError when no feature fires.
    """
    means = subject_means(sums, n_subjects)
    if not means.any():
        raise ValueError("activation sums: no feature fires on any problem")
    if scoring.unit == "mean_active":
        means = means / sums.mean_active_value()
    others = np.delete(means, target, axis=0).mean(axis=0)
    overall = means.mean(axis=0)
    smoothing = float(np.quantile(overall[overall > 0], scoring.smoothing_quantile))
    return (
        specificity(means[target], others, scoring.epsilon),
        smoothed_specificity(means[target], others, smoothing),
    )


def specificity_table(
    layers: Mapping[int, tuple[np.ndarray, np.ndarray]], threshold: float
) -> pd.DataFrame:
    """One row a layer: its SP, the number of specific features, the most specific feature.

    layers: the two arrays of `feature_scores` for each layer. threshold: that of `Scoring`.
    """
    rows = []
    for layer, (scores, smooth) in sorted(layers.items()):
        sp, feature = layer_specificity(scores)
        sp_smooth, feature_smooth = layer_specificity(smooth)
        count = int((scores > threshold).sum())
        rows.append([layer, sp, count, feature, sp_smooth, feature_smooth])
    return pd.DataFrame(rows, columns=COLUMNS)


def most_specific_features(
    layers: Mapping[int, tuple[np.ndarray, np.ndarray]], count: int
) -> pd.DataFrame:
    """The `count` features of highest specificity in each layer, best first.

    Columns `layer rank feature specificity specificity_smooth`; ties go to the lower number.
    """
    rows = []
    for layer, (scores, smooth) in sorted(layers.items()):
        best = np.argsort(-scores, kind="stable")[:count]
        rows += [
            [layer, rank, int(feature), float(scores[feature]), float(smooth[feature])]
            for rank, feature in enumerate(best, start=1)
        ]
    columns = ["layer", "rank", "feature", "specificity", "specificity_smooth"]
    return pd.DataFrame(rows, columns=columns)


def _check_means(*means: np.ndarray) -> None:
    for mean in means:
        if not np.isfinite(mean).all() or (mean < 0).any():
            raise ValueError("specificity: a mean activation is negative or not finite")
