"""SP under resampled problems: permuted subjects, bootstrap, and random halves.

A resampling of the problems is two rows of weights over them, one whose product with the problems'
token means is the target's mean and one whose product is the others' macro mean, so that all
resamplings of a layer are two matrix products. The same resamplings serve every layer, so
that a maximum over layers, or a set of layers, is meaningful.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.specificity.scores import Scoring, smoothed_specificity, specificity

_BLOCK = 256  # resamplings scored at a time; bounds memory at any dictionary width


@dataclass(frozen=True)
class DenseSums:
    """A layer's per-problem sums for matrix products.

    means: (problems, features) token means, float32. sums, fires: (problems,) activation summed
    over tokens and features, and how often one was above zero.
    """

    means: np.ndarray
    sums: np.ndarray
    fires: np.ndarray

    @classmethod
    def of(cls, sums: ProblemSums) -> DenseSums:
        """From the sparse form."""
        rows = np.repeat(np.arange(len(sums.tokens)), np.diff(sums.indptr))
        totals = (
            np.bincount(rows, weights=values, minlength=len(sums.tokens))
            for values in (sums.sums, sums.fires)
        )
        return cls(sums.token_means().astype(np.float32), *totals)


@dataclass(frozen=True)
class Resampling:
    """Resamplings of the problems as weights over them, all (resamplings, problems) float32.

    target, others: rows sum to 1; the others weigh each other subject alike. counts: how often a
    problem occurs, which the layer's mean active value (its unit) is recomputed from.
    """

    target: np.ndarray
    others: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, counts: np.ndarray, target: int, n_subjects: int) -> Resampling:
        """From each problem's subject and its occurrences, a row a resampling."""
        others = np.zeros(counts.shape)
        for subject in range(n_subjects):
            occurring = counts * (labels == subject)
            share = occurring / occurring.sum(axis=1, keepdims=True)
            if subject == target:
                own = share
            else:
                others += share / (n_subjects - 1)
        return cls(own.astype(np.float32), others.astype(np.float32), counts)


def permuted(
    subjects: np.ndarray, target: int, n_subjects: int, resamples: int, seed: int
) -> Resampling:
    """The subjects' labels permuted over all problems; each subject keeps its size."""
    generator = np.random.default_rng([seed, 0])
    labels = np.stack([generator.permutation(subjects) for _ in range(resamples)])
    return Resampling.of(labels, np.ones(labels.shape, np.float32), target, n_subjects)


def bootstrapped(
    subjects: np.ndarray, target: int, n_subjects: int, resamples: int, seed: int
) -> Resampling:
    """Problems drawn with replacement, as many of each subject as there are."""
    generator = np.random.default_rng([seed, 1])
    counts = np.zeros((resamples, len(subjects)), np.float32)
    for subject in range(n_subjects):
        members = np.flatnonzero(subjects == subject)
        shares = np.full(len(members), 1 / len(members))
        counts[:, members] = generator.multinomial(len(members), shares, size=resamples)
    return Resampling.of(subjects[None, :], counts, target, n_subjects)


def halved(
    subjects: np.ndarray, target: int, n_subjects: int, splits: int, seed: int
) -> tuple[Resampling, Resampling]:
    """Random halves of the problems, drawn within each subject; an odd one goes to the second.

    Raises ValueError when a subject has fewer than two problems.
    """
    generator = np.random.default_rng([seed, 2])
    first = np.zeros((splits, len(subjects)), np.float32)
    for subject in range(n_subjects):
        members = np.flatnonzero(subjects == subject)
        if len(members) < 2:
            raise ValueError(
                f"split halves: subject {subject} has {len(members)} problems, expected two or more"
            )
        for row in first:
            row[generator.permutation(members)[: len(members) // 2]] = 1
    halves = (first, 1 - first)
    return tuple(Resampling.of(subjects[None, :], half, target, n_subjects) for half in halves)


def resampled_scores(
    layer: DenseSums, resampling: Resampling, n_subjects: int, scoring: Scoring
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every feature's specificity, eq. (1) and smoothed, in each resampling.

    Yields blocks of two (resamplings, features) arrays. In the unit `mean_active` activations are
    divided by the mean active value of the resampled problems.
    """
    for start in range(0, len(resampling.counts), _BLOCK):
        rows = slice(start, start + _BLOCK)
        target, others = (
            weights[rows] @ layer.means for weights in (resampling.target, resampling.others)
        )
        if scoring.unit == "mean_active":
            counts = resampling.counts[rows]
            unit = ((counts @ layer.sums) / (counts @ layer.fires)).astype(np.float32)[:, None]
            target, others = target / unit, others / unit
        overall = (target + (n_subjects - 1) * others) / n_subjects
        smoothing = _quantile_of_positive(overall, scoring.smoothing_quantile)[:, None]
        yield (
            specificity(target, others, scoring.epsilon),
            smoothed_specificity(target, others, smoothing),
        )


def resampled_sp(
    layer: DenseSums, resampling: Resampling, n_subjects: int, scoring: Scoring
) -> np.ndarray:
    """(resamplings, 2) SP of a layer, eq. (2), and its smoothed variant, in each resampling."""
    blocks = resampled_scores(layer, resampling, n_subjects, scoring)
    return np.concatenate(
        [np.stack([scores.max(axis=1) for scores in block], axis=1) for block in blocks]
    ).astype(float)


def cross_fitted_sp(
    layer: DenseSums, halves: tuple[Resampling, Resampling], n_subjects: int, scoring: Scoring
) -> tuple[np.ndarray, np.ndarray]:
    """SP with the feature chosen on one half of the problems and scored on the other.

    Returns two (splits, 2) arrays: the cross-fitted SP, chosen on the first half and chosen on the
    second; and the plain SP of each half. A largest ratio is biased upwards by having been chosen:
    the plain SP of a half minus the cross-fitted one is that optimism, at the same number of
    problems.
    """
    crossed, plain = [], []
    both = [resampled_scores(layer, half, n_subjects, scoring) for half in halves]
    for (first, _), (second, _) in zip(*both, strict=True):
        rows, columns = np.arange(len(first)), (first.argmax(axis=1), second.argmax(axis=1))
        crossed.append(np.stack([second[rows, columns[0]], first[rows, columns[1]]], axis=1))
        plain.append(np.stack([first[rows, columns[0]], second[rows, columns[1]]], axis=1))
    return np.concatenate(crossed).astype(float), np.concatenate(plain).astype(float)


def _quantile_of_positive(values: np.ndarray, quantile: float) -> np.ndarray:
    """(rows,) quantile of each row's values above zero, by numpy's linear rule."""
    ordered = np.sort(values, axis=1)
    zeros = (values <= 0).sum(axis=1)
    position = zeros + quantile * (values.shape[1] - zeros - 1)
    below = np.clip(np.floor(position).astype(int), 0, values.shape[1] - 1)
    above = np.minimum(below + 1, values.shape[1] - 1)
    rows = np.arange(len(values))
    low, high = ordered[rows, below], ordered[rows, above]
    return (low + (position - below) * (high - low)).astype(values.dtype)
