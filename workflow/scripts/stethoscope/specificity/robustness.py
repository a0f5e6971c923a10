"""Robustness of a layer's specificity: nulls, resampling, and choices that eq. (1) leaves open.

The paper selects layers by the largest of thousands of ratios and gives no error bar. Here that
maximum is compared with that of permuted subject labels (null), scored on problems that did not
choose the feature (cross-fitted SP), resampled over problems (bootstrap), and recomputed with other
epsilons, units and denominators. All of it is a re-score of the per-problem sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stethoscope.correlation import spearman
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.specificity.choice import Choice, chance_jaccard, jaccard
from stethoscope.specificity.resampling import (
    DenseSums,
    bootstrapped,
    cross_fitted_sp,
    halved,
    permuted,
    resampled_sp,
)
from stethoscope.specificity.scores import Scoring, feature_scores, subject_means
from stethoscope.specificity.sensitivity import sensitivity_tables

SCORES = ("sp", "sp_smooth")
INTERVAL = (0.025, 0.975)
LEVEL = 0.95  # a layer, or the family of all layers, is compared with this quantile of its null
_TIE = 1e-5  # relative; resamplings are scored in float32, so that equal scores differ by less


@dataclass(frozen=True)
class Robustness:
    """Results of `robustness`, as tidy tables.

    layers: a row a layer. measures: `measure value low high p`, numbers about all layers together.
    sensitivity: a row for each way to compute SP. profiles: SP of each layer in each of these.
    """

    layers: pd.DataFrame
    measures: pd.DataFrame
    sensitivity: pd.DataFrame
    profiles: pd.DataFrame


@dataclass(frozen=True)
class Profiles:
    """SP of all layers; the last axis is the layers, the one before it is `SCORES`.

    observed: (2, layers). null, bootstrap: (resamples, 2, layers), under permuted labels and
    resampled problems. crossed, halves: (splits, 2, layers), cross-fitted and plain eq. (2) of the
    two halves (instead of the scores). active: (layers,) mean active values.
    """

    observed: np.ndarray
    null: np.ndarray
    bootstrap: np.ndarray
    crossed: np.ndarray
    halves: np.ndarray
    active: np.ndarray


def robustness(
    sums: Mapping[int, ProblemSums],
    target: str,
    subjects: Sequence[str],
    scoring: Scoring,
    choice: Choice,
    resamples: int,
    splits: int,
    seed: int,
    at_least: float,
    epsilons: Sequence[float],
) -> Robustness:
    """Robustness of all layers' specificity for one subject.

    sums: by layer, of the same problems. subjects: names in the order of the sums' indices.
    choice: the rule that selects layers. resamples: of the permutation and of the bootstrap;
    splits: into halves. at_least: the published threshold, which the null is compared with.
    epsilons: of the sensitivity grid, in each unit.

    Raises ValueError when the layers are not of the same problems.
    """
    numbers, index = sorted(sums), subjects.index(target)
    ordered = [sums[number] for number in numbers]
    for number, layer in zip(numbers, ordered, strict=True):
        if not np.array_equal(layer.subjects, ordered[0].subjects):
            raise ValueError(f"activation sums: layer {number} is of other problems than the first")
    profiles = _profiles(ordered, index, len(subjects), scoring, resamples, splits, seed)
    means = {number: subject_means(sums[number], len(subjects)) for number in numbers}
    return Robustness(
        _layer_table(numbers, profiles, choice),
        _measures(profiles, choice, at_least, seed),
        *sensitivity_tables(means, profiles.active, target, subjects, scoring, choice, epsilons),
    )


def _profiles(
    layers: Sequence[ProblemSums],
    target: int,
    n_subjects: int,
    scoring: Scoring,
    resamples: int,
    splits: int,
    seed: int,
) -> Profiles:
    of = (layers[0].subjects, target, n_subjects)
    null, bootstrap = (draw(*of, resamples, seed) for draw in (permuted, bootstrapped))
    halves = halved(*of, splits, seed)
    columns = []
    for layer in layers:
        dense = DenseSums.of(layer)
        scores = feature_scores(layer, target, n_subjects, scoring)
        columns.append(
            (
                np.array([score.max() for score in scores]),
                resampled_sp(dense, null, n_subjects, scoring),
                resampled_sp(dense, bootstrap, n_subjects, scoring),
                *cross_fitted_sp(dense, halves, n_subjects, scoring),
                layer.mean_active_value(),
            )
        )
    return Profiles(*(np.stack(column, axis=-1) for column in zip(*columns, strict=True)))


def permutation_p(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """(layers,) p of each layer: (1 + permutations that reach its SP) / (permutations + 1).

    observed: (layers,); null: (permutations, layers).
    """
    return (1 + reaches(null, observed).sum(axis=0)) / (len(null) + 1)


def familywise_p(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """(layers,) p of each layer against the largest SP of all layers in each permutation."""
    return permutation_p(observed, null.max(axis=1, keepdims=True))


def reaches(scores: np.ndarray, bound: np.ndarray | float) -> np.ndarray:
    """Whether a score is at least the bound; equal but for float32 rounding counts as equal."""
    return scores >= np.asarray(bound) * (1 - _TIE)


def order_p(first: np.ndarray, second: np.ndarray, resamples: int, seed: int) -> float:
    """Two-sided p of a rank correlation over layers, by shuffling the layers of one side.

    Neighbouring layers resemble each other, which makes it too small rather than too large.
    """
    generator = np.random.default_rng([seed, 3])
    shuffled = np.stack([generator.permutation(second) for _ in range(resamples)])
    null = np.abs(spearman(first, shuffled))
    return float((1 + reaches(null, abs(spearman(first, second))).sum()) / (resamples + 1))


def _layer_table(numbers: list[int], profiles: Profiles, choice: Choice) -> pd.DataFrame:
    rule = SCORES.index(choice.score)
    chosen = choice.mask(profiles.observed[rule])
    columns: dict[str, object] = {"layer": numbers, "selected": chosen.astype(int)}
    for which, score in enumerate(SCORES):
        observed, null = profiles.observed[which], profiles.null[:, which]
        low, high = np.quantile(profiles.bootstrap[:, which], INTERVAL, axis=0)
        columns |= {
            score: observed,
            f"{score}_low": low,
            f"{score}_high": high,
            f"{score}_null_median": np.median(null, axis=0),
            f"{score}_null_95": np.quantile(null, LEVEL, axis=0),
            f"{score}_p": permutation_p(observed, null),
            f"{score}_p_familywise": familywise_p(observed, null),
        }
    columns["sp_half"] = profiles.halves.mean(axis=(0, 1))
    columns["sp_cross_fitted"] = profiles.crossed.mean(axis=(0, 1))
    columns["frequency"] = choice.mask(profiles.bootstrap[:, rule]).mean(axis=0)
    columns["mean_active_value"] = profiles.active
    return pd.DataFrame(columns)


def _measures(profiles: Profiles, choice: Choice, at_least: float, seed: int) -> pd.DataFrame:
    rule = SCORES.index(choice.score)
    observed, null, bootstrap = (
        values[..., rule, :] for values in (profiles.observed, profiles.null, profiles.bootstrap)
    )
    n_layers, halves = len(observed), profiles.halves
    chosen, resampled = choice.mask(observed), choice.mask(bootstrap)
    overlap = jaccard(resampled, chosen)
    chance = [chance_jaccard(n_layers, int(chosen.sum()), int(k)) for k in resampled.sum(axis=1)]
    cutoff = choice.at_least if choice.at_least is not None else float(observed[chosen].min())
    rows: list[dict[str, float]] = []

    def add(measure: str, value: float, spread: np.ndarray | None = None, **p: float) -> None:
        low, high = (None, None) if spread is None else np.nanquantile(spread, INTERVAL)
        rows.append({"measure": measure, "value": float(value), "low": low, "high": high, **p})

    if n_layers > 1:
        for name, other in (("depth", np.arange(n_layers)), ("mean_active", profiles.active)):
            p = order_p(observed, other, len(null), seed)
            add(f"spearman_{name}", spearman(observed, other), spearman(bootstrap, other), p=p)
        add("spearman_halves", np.nanmean(spearman(halves[:, 0], halves[:, 1])))
    add("jaccard_bootstrap", overlap.mean(), overlap)
    add("jaccard_chance", float(np.mean(chance)))
    add("same_set_bootstrap", (resampled == chosen).all(axis=1).mean())
    add("familywise_95", np.quantile(null.max(axis=1), LEVEL))
    for name, scores, bound in (
        ("cutoff", null, cutoff),
        ("published", profiles.null[:, 0], at_least),
    ):
        above = reaches(scores, bound)
        add(name, bound)
        add(f"{name}_reached_by_null", above.any(axis=1).mean())
        add(f"{name}_layers_in_null", above.sum(axis=1).mean())
    add("published_layers", reaches(profiles.observed[0], at_least).sum())
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "p"])
