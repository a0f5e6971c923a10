"""Sign flips and resamples of problems: a test that corrects for many edits, and bootstraps.

All edits answer the same problems, so a flip or a resample is drawn once for a problem and serves
every edit: what the edits share stays shared, and a maximum over them means something. With the
draws as rows of a matrix, each edit is a column of one product.

A gain is edit minus reference on one problem: -1, 0 or 1. Flips and resamples are drawn in blocks
of a fixed size, which bounds the memory and is a part of the random stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stethoscope.evaluation.alpha_choice import best_alpha

BLOCK = 512
# Two T that are equal but for rounding count as equal; distinct ones of n problems lie further off.
_TIE = 1e-9


@dataclass(frozen=True)
class SignFlips:
    """Sign-flip test of several edits, (edits,) each.

    t: sum of the gains over the root of the sum of their squares; 0 where no answer differs.
    p: of each edit alone. p_max: corrected for all edits (family-wise error). Both two-sided.
    """

    t: np.ndarray
    p: np.ndarray
    p_max: np.ndarray


def sign_flips(gains: np.ndarray, flips: int, seed: int) -> SignFlips:
    """Max-statistic sign-flip test over a family of edits, step-down (Westfall and Young, 1993).

    gains: (problems, edits) of -1, 0 or 1. If an edit changes nothing on average, each problem
    may as well have its gain with the opposite sign; a flip turns whole problems, all edits at
    once. p_max compares |T| of an edit with the largest |T*| among itself and the edits of
    smaller |T|, and is never below that of an edit of larger |T|. p = (1 + number of flips that
    reach it) / (flips + 1).
    """
    gains = _gains(gains)
    if flips < 1:
        raise ValueError(f"flips: {flips} (needs 1 or more)")
    norms = np.sqrt((gains**2).sum(axis=0, dtype=np.float64))
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    t = gains.sum(axis=0, dtype=np.float64) * scale
    order = np.argsort(-np.abs(t), kind="stable")
    reached = np.abs(t)[order] - _TIE
    alone, among = np.zeros((2, len(t)), dtype=np.int64)
    for signs in flip_signs(len(gains), flips, seed):
        # Sums of -1, 0 and 1 are exact in float32.
        drawn = np.abs((signs @ gains).astype(np.float64) * scale)[:, order]
        alone += (drawn >= reached).sum(axis=0)
        largest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
        among += (largest >= reached).sum(axis=0)
    p, p_max = np.empty_like(t), np.empty_like(t)
    p[order] = (1 + alone) / (flips + 1)
    p_max[order] = np.maximum.accumulate((1 + among) / (flips + 1))
    return SignFlips(t, p, p_max)


def flip_signs(n: int, flips: int, seed: int) -> Iterator[np.ndarray]:
    """Random signs of n problems in blocks of flips, each (flips of the block, n) float32."""
    generator = np.random.default_rng(seed)
    for start in range(0, flips, BLOCK):
        rows = min(BLOCK, flips - start)
        yield 2 * generator.integers(0, 2, size=(rows, n), dtype=np.int8).astype(np.float32) - 1


def bootstrap(
    values: Mapping[str, np.ndarray], draws: int, seed: int | Sequence[int]
) -> dict[str, np.ndarray]:
    """Sums over resampled problems, subject by subject, each (draws, columns).

    values: subject -> (problems, columns) of -1, 0 or 1, such as the gains of several edits.
    Problems are drawn with replacement within each subject, as many as it has, so that sums of
    several subjects are a resample stratified by subject. Subjects are drawn in alphabetical
    order: the order of the mapping does not matter.
    """
    if draws < 1:
        raise ValueError(f"draws: {draws} resamples (needs 1 or more)")
    generator = np.random.default_rng(seed)
    sums = {}
    for subject in sorted(values):
        part = _gains(values[subject])
        blocks = [counts @ part for counts in _resamples(generator, len(part), draws)]
        sums[subject] = np.concatenate(blocks)
    return {subject: sums[subject] for subject in values}


def percentile_interval(draws: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of each column of bootstrap draws, (draws, ...) -> (...), (...)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def optimism_of_choice(
    validation: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    draws: int,
    seed: int,
) -> np.ndarray:
    """Bootstrap draws, (draws,), of the apparent gain from choosing alpha on the test problems.

    In each draw both sets of problems are resampled and both choices made again: accuracy on the
    resampled test problems at the alpha that is best on these, minus that at the alpha which is
    best on the resampled validation problems. It is never negative, and since a resample adds
    noise of its own to the test problems, it is on average larger than what was observed.

    validation, test: subject -> (problems, alphas) of 0 or 1, the subjects that choose alpha; the
    alphas ascend, and a tie goes to the smaller.
    """
    chosen_by = sum(bootstrap(validation, draws, [seed, 0]).values())
    read_on = sum(bootstrap(test, draws, [seed, 1]).values())
    if chosen_by.shape[1] != read_on.shape[1]:
        raise ValueError(
            f"{chosen_by.shape[1]} alphas on validation, {read_on.shape[1]} on test (same needed)"
        )
    at_chosen = np.take_along_axis(read_on, best_alpha(chosen_by)[:, None], axis=1)[:, 0]
    n = sum(len(part) for part in test.values())
    return (read_on.max(axis=1) - at_chosen) / n


def _resamples(generator: np.random.Generator, n: int, draws: int) -> Iterator[np.ndarray]:
    """How often each of n problems is drawn, in blocks, each (draws of the block, n) float32."""
    for start in range(0, draws, BLOCK):
        rows = min(BLOCK, draws - start)
        drawn = generator.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n)
        yield counts.reshape(rows, n).astype(np.float32)


def _gains(values: np.ndarray) -> np.ndarray:
    """values as float32 for matrix products, after checking that each is -1, 0 or 1."""
    array = np.asarray(values)
    if array.ndim != 2 or not len(array) or not np.isin(array, (-1, 0, 1)).all():
        raise ValueError(
            f"gains must be problems x edits of -1, 0 and 1 (found shape {array.shape})"
        )
    return array.astype(np.float32)
