"""How far a layer's specificity can be trusted: nulls, resampling, and what eq. (1) leaves open.

The paper selects layers by the largest of thousands of ratios and gives no error bar. Here that
maximum is compared with what permuted subject labels give (null), scored on problems that did not
choose the feature (honest SP), resampled over problems (bootstrap), and recomputed with other
epsilons, units and denominators. All of it is a re-score of the per-problem sums.

A resampling of the problems is two rows of weights over them, one whose product with the problems'
token means is the target's mean and one whose product is the others' macro mean, so that all
resamplings of a layer are two matrix products. The same resamplings serve every layer: that is
what makes a maximum over layers, or a set of layers, meaningful.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stethoscope.specificity.scores import (
    ProblemSums,
    feature_scores,
    smoothed_specificity,
    specificity,
    subject_means,
)

SCORES = ("sp", "sp_smooth")
UNITS = ("mean_active", "raw")
INTERVAL = (0.025, 0.975)
LEVEL = 0.95  # a layer, or the family of all layers, is compared with this quantile of its null
_BLOCK = 256  # resamplings scored at a time; bounds memory at any dictionary width
_TIE = 1e-5  # relative; resamplings are scored in float32, so that equal scores differ by less


@dataclass(frozen=True)
class Scoring:
    """How SP is computed: see `specificity.feature_scores`."""

    epsilon: float
    unit: str
    smoothing_quantile: float


@dataclass(frozen=True)
class Choice:
    """How layers are selected from a score: the `top` highest, or all with `at_least` a value."""

    score: str = "sp"
    top: int | None = None
    at_least: float | None = None


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


def permuted(
    subjects: np.ndarray, target: int, n_subjects: int, resamples: int, seed: int
) -> Resampling:
    """The subjects' labels permuted over all problems; each subject keeps its size."""
    generator = np.random.default_rng([seed, 0])
    labels = np.stack([generator.permutation(subjects) for _ in range(resamples)])
    return _resampling(labels, np.ones(labels.shape, np.float32), target, n_subjects)


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
    return _resampling(subjects[None, :], counts, target, n_subjects)


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
    labels = subjects[None, :]
    return (
        _resampling(labels, first, target, n_subjects),
        _resampling(labels, 1 - first, target, n_subjects),
    )


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


def honest_sp(
    layer: DenseSums, halves: tuple[Resampling, Resampling], n_subjects: int, scoring: Scoring
) -> tuple[np.ndarray, np.ndarray]:
    """SP with the feature chosen on one half of the problems and scored on the other.

    Returns two (splits, 2) arrays: the honest SP, chosen on the first half and chosen on the
    second; and the plain SP of each half. A largest ratio is biased upwards by having been chosen:
    the plain SP of a half against the honest one is that optimism at the same number of problems.
    """
    honest, plain = [], []
    both = [resampled_scores(layer, half, n_subjects, scoring) for half in halves]
    for (first, _), (second, _) in zip(*both, strict=True):
        rows, columns = np.arange(len(first)), (first.argmax(axis=1), second.argmax(axis=1))
        honest.append(np.stack([second[rows, columns[0]], first[rows, columns[1]]], axis=1))
        plain.append(np.stack([first[rows, columns[0]], second[rows, columns[1]]], axis=1))
    return np.concatenate(honest).astype(float), np.concatenate(plain).astype(float)


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


def selected(scores: np.ndarray, choice: Choice) -> np.ndarray:
    """(..., layers) bool: the layers that a rule selects; of equal ones the earlier comes first."""
    if choice.at_least is not None:
        return scores >= choice.at_least
    order = np.argsort(-scores, axis=-1, kind="stable")
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, order[..., : choice.top], True, axis=-1)
    return mask


def jaccard(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """|A and B| / |A or B| of sets of layers given as masks over the last axis; 1 if both empty."""
    either = (first | second).sum(axis=-1)
    both = (first & second).sum(axis=-1)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def chance_jaccard(n_layers: int, first: int, second: int) -> float:
    """Expected Jaccard of a set of `first` layers and a random one of `second` layers."""
    if first + second == 0:
        return 1.0
    ways = math.comb(n_layers, second)
    shared = range(max(0, first + second - n_layers), min(first, second) + 1)
    return sum(
        math.comb(first, j) * math.comb(n_layers - first, second - j) / ways
        * (j / (first + second - j))
        for j in shared
    )  # fmt: skip


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rank correlation over the last axis; NaN where one side is constant."""
    a, b = (_ranks(np.asarray(side, float)) for side in (first, second))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis=-1) / np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))


def order_p(first: np.ndarray, second: np.ndarray, resamples: int, seed: int) -> float:
    """Two-sided p of a rank correlation over layers, by shuffling the layers of one side.

    Neighbouring layers resemble each other, which makes it too small rather than too large.
    """
    generator = np.random.default_rng([seed, 3])
    shuffled = np.stack([generator.permutation(second) for _ in range(resamples)])
    null = np.abs(spearman(np.broadcast_to(first, shuffled.shape), shuffled))
    return float((1 + reaches(null, abs(spearman(first, second))).sum()) / (resamples + 1))


def other_mean(
    means: np.ndarray, target: int, without: int | None = None, largest: bool = False
) -> np.ndarray:
    """(features,) denominator of eq. (1): the mean over the other subjects, or a stricter one.

    means: (subjects, features). without: another subject to leave out, which tells whether SP
    means "target against the others" or "target against that one". largest: each feature's largest
    mean over the others in place of their mean.
    """
    left_out = [target] if without is None else [target, without]
    others = np.delete(means, left_out, axis=0)
    return others.max(axis=0) if largest else others.mean(axis=0)


@dataclass(frozen=True)
class Examination:
    """What `examine` finds, as tidy tables.

    layers: a row a layer. measures: `measure value low high p`, what is one number for all layers.
    sensitivity: a row for each way to compute SP. profiles: SP of each layer in each of these.
    """

    layers: pd.DataFrame
    measures: pd.DataFrame
    sensitivity: pd.DataFrame
    profiles: pd.DataFrame


def examine(
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
) -> Examination:
    """The specificity of all layers for one subject, examined.

    sums: by layer, of the same problems. subjects: names in the order of the sums' indices.
    choice: the rule that selects layers. resamples: of the permutation and of the bootstrap;
    splits: into halves. at_least: the published threshold, asked of the null. epsilons: of the
    sensitivity grid, in each unit.

    Raises ValueError when the layers are not of the same problems.
    """
    numbers = sorted(sums)
    labels = sums[numbers[0]].subjects
    for layer in numbers:
        if not np.array_equal(sums[layer].subjects, labels):
            raise ValueError(f"activation sums: layer {layer} is of other problems than the first")
    index, n = subjects.index(target), len(subjects)
    means = {layer: subject_means(sums[layer], n) for layer in numbers}
    active = np.array([sums[layer].mean_active_value() for layer in numbers])
    observed = np.array([_observed(sums[layer], index, n, scoring) for layer in numbers])
    draws = {
        "null": permuted(labels, index, n, resamples, seed),
        "bootstrap": bootstrapped(labels, index, n, resamples, seed),
    }
    halves = halved(labels, index, n, splits, seed)
    found: dict[str, list] = {"null": [], "bootstrap": [], "honest": [], "half": []}
    for layer in numbers:
        dense = DenseSums.of(sums[layer])
        for name, resampling in draws.items():
            found[name].append(resampled_sp(dense, resampling, n, scoring))
        for name, values in zip(
            ("honest", "half"), honest_sp(dense, halves, n, scoring), strict=True
        ):
            found[name].append(values)
    # (resamplings, 2, layers): last axis the layers, as everywhere above.
    stacked = {name: np.stack(values, axis=-1) for name, values in found.items()}
    layers = _layer_table(numbers, observed.T, stacked, choice, active)
    measures = _measures(observed.T, stacked, choice, active, at_least, seed)
    sensitivity, profiles = sensitivity_tables(
        means, active, target, subjects, scoring, choice, epsilons
    )
    return Examination(layers, measures, sensitivity, profiles)


def _observed(sums: ProblemSums, target: int, n: int, scoring: Scoring) -> list[float]:
    scores = feature_scores(
        sums, target, n, scoring.epsilon, scoring.unit, scoring.smoothing_quantile
    )
    return [float(score.max()) for score in scores]


def _layer_table(
    numbers: list[int],
    observed: np.ndarray,
    found: Mapping[str, np.ndarray],
    choice: Choice,
    active: np.ndarray,
) -> pd.DataFrame:
    rule = SCORES.index(choice.score)
    chosen = selected(observed[rule], choice)
    columns: dict[str, object] = {"layer": numbers, "selected": chosen.astype(int)}
    for which, score in enumerate(SCORES):
        null = found["null"][:, which]
        low, high = np.quantile(found["bootstrap"][:, which], INTERVAL, axis=0)
        columns |= {
            score: observed[which],
            f"{score}_low": low,
            f"{score}_high": high,
            f"{score}_null_median": np.median(null, axis=0),
            f"{score}_null_95": np.quantile(null, LEVEL, axis=0),
            f"{score}_p": permutation_p(observed[which], null),
            f"{score}_p_familywise": familywise_p(observed[which], null),
        }
    columns["sp_half"] = found["half"].mean(axis=(0, 1))
    columns["sp_honest"] = found["honest"].mean(axis=(0, 1))
    columns["frequency"] = selected(found["bootstrap"][:, rule], choice).mean(axis=0)
    columns["mean_active_value"] = active
    return pd.DataFrame(columns)


def _measures(
    observed: np.ndarray,
    found: Mapping[str, np.ndarray],
    choice: Choice,
    active: np.ndarray,
    at_least: float,
    seed: int,
) -> pd.DataFrame:
    rule = SCORES.index(choice.score)
    mine, null, boot = observed[rule], found["null"][:, rule], found["bootstrap"][:, rule]
    n_layers, depth = len(mine), np.arange(len(mine))
    chosen = selected(mine, choice)
    resampled = selected(boot, choice)
    overlap = jaccard(resampled, chosen)
    chance = [chance_jaccard(n_layers, int(chosen.sum()), int(k)) for k in resampled.sum(axis=1)]
    cutoff = choice.at_least if choice.at_least is not None else float(mine[chosen].min())
    rows: list[list[object]] = []

    def add(
        name: str, value: float, spread: np.ndarray | None = None, p: float | None = None
    ) -> None:
        bounds = [None, None] if spread is None else np.nanquantile(spread, INTERVAL).tolist()
        rows.append([name, float(value), *bounds, p])

    if n_layers > 1:
        for name, against in (("depth", depth), ("mean_active", active)):
            p = order_p(mine, against, len(null), seed)
            add(f"spearman_{name}", spearman(mine, against), spearman(boot, against), p)
        halves = found["half"]
        add("spearman_halves", np.nanmean(spearman(halves[:, 0], halves[:, 1])))
    add("jaccard_bootstrap", overlap.mean(), overlap)
    add("jaccard_chance", float(np.mean(chance)))
    add("same_set_bootstrap", (resampled == chosen).all(axis=1).mean())
    add("familywise_95", np.quantile(null.max(axis=1), LEVEL))
    for name, scores, bound in (
        ("cutoff", null, cutoff),
        ("published", found["null"][:, 0], at_least),
    ):
        above = reaches(scores, bound)
        add(name, bound)
        add(f"{name}_reached_by_null", above.any(axis=1).mean())
        add(f"{name}_layers_in_null", above.sum(axis=1).mean())
    add("published_layers", reaches(observed[0], at_least).sum())
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "p"])


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
    grid = sorted({float(epsilon) for epsilon in (*epsilons, scoring.epsilon)})
    others = [name for name in subjects if name != target]
    ways: list[tuple[float, str, str, dict]] = [
        (epsilon, unit, "mean", {}) for unit in UNITS for epsilon in grid
    ]
    ways.append((scoring.epsilon, scoring.unit, "largest", {"largest": True}))
    for name in others if len(others) > 1 else ():
        without = {"without": subjects.index(name)}
        ways.append((scoring.epsilon, scoring.unit, f"mean without {name}", without))

    def profile(epsilon: float, unit: str, options: dict) -> np.ndarray:
        scale = active if unit == "mean_active" else np.ones(len(numbers))
        scaled = [means[layer] / s for layer, s in zip(numbers, scale, strict=True)]
        return np.array(
            [specificity(m[index], other_mean(m, index, **options), epsilon).max() for m in scaled]
        )

    reference = profile(scoring.epsilon, scoring.unit, {})
    chosen = selected(reference, choice)
    rows, profiles = [], []
    for epsilon, unit, denominator, options in ways:
        sp = profile(epsilon, unit, options)
        mask = selected(sp, choice)
        about = [epsilon, unit, denominator]
        configured = about == [scoring.epsilon, scoring.unit, "mean"]
        picked = [number for number, taken in zip(numbers, mask, strict=True) if taken]
        rows.append(
            [*about, int(configured), sp.min(), sp.max(), float(spearman(sp, reference))]
            + [float(jaccard(mask, chosen)), ",".join(map(str, picked))]
        )
        profiles += [
            [*about, number, score, int(taken)]
            for number, score, taken in zip(numbers, sp, mask, strict=True)
        ]
    about = ["epsilon", "unit", "denominator"]
    found = ["configured", "sp_lowest", "sp_highest", "spearman", "jaccard", "layers"]
    return (
        pd.DataFrame(rows, columns=[*about, *found]),
        pd.DataFrame(profiles, columns=[*about, "layer", "sp", "selected"]),
    )


def _resampling(labels: np.ndarray, counts: np.ndarray, target: int, n_subjects: int) -> Resampling:
    others = np.zeros(counts.shape)
    for subject in range(n_subjects):
        held = counts * (labels == subject)
        share = held / held.sum(axis=1, keepdims=True)
        if subject == target:
            own = share
        else:
            others += share / (n_subjects - 1)
    return Resampling(own.astype(np.float32), others.astype(np.float32), counts)


def _quantile_of_positive(values: np.ndarray, quantile: float) -> np.ndarray:
    """(rows,) quantile of each row's values above zero, by numpy's linear rule."""
    ordered = np.sort(values, axis=1)
    zeros = (values <= 0).sum(axis=1)
    place = zeros + quantile * (values.shape[1] - zeros - 1)
    below = np.clip(np.floor(place).astype(int), 0, values.shape[1] - 1)
    above = np.minimum(below + 1, values.shape[1] - 1)
    rows = np.arange(len(values))
    low, high = ordered[rows, below], ordered[rows, above]
    return (low + (place - below) * (high - low)).astype(values.dtype)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 over the last axis; equal values share the mean of their ranks."""
    pairs = values[..., :, None], values[..., None, :]
    return (pairs[0] > pairs[1]).sum(axis=-1) + ((pairs[0] == pairs[1]).sum(axis=-1) + 1) / 2
