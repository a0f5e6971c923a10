"""Rules that turn numbers into verdicts; the report has a sentence for each verdict.

A verdict follows from an interval or a rank, never from a point estimate: an interval that holds
zero shows no difference at this n, for every method alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stethoscope.statistics.results import ABOVE, BELOW, NONE, SIGNIFICANT

# Energy within this factor of k/d counts as chance.
NEAR_CHANCE = 2.0


def rank_p(ours: float, draws: Sequence[float]) -> float:
    """(1 + number of random draws that are at least as good) / (draws + 1); one-sided."""
    if not len(draws):
        raise ValueError("rank p: expected one random draw or more, found none")
    return (1 + sum(draw >= ours for draw in draws)) / (len(draws) + 1)


def rank_direction(ours: float, draws: Sequence[float]) -> str:
    """above: better than every draw; below: worse than every draw; none: among them."""
    return ABOVE if ours > max(draws) else BELOW if ours < min(draws) else NONE


def against_rivals(directions: Sequence[str]) -> str:
    """Whether ours is better than several rivals, from the direction against each of them.

    all: better than all. some: better than some. mixed: also worse than some. worse: only worse
    than some. none: no difference shown.
    """
    if BELOW in directions:
        return "mixed" if ABOVE in directions else "worse"
    if ABOVE in directions:
        return "all" if set(directions) == {ABOVE} else "some"
    return NONE


def direction_or_size(raw: str, projected: str, matched: str) -> str:
    """Why a projected edit does nothing, from three directions against base on the target.

    raw: the same layers without projection. projected: as projected. matched: the projection
    scaled to the raw edit's norm.

    no effect: the raw edit shows no gain, so there is nothing to lose. kept: the projection shows
    a gain itself. size: it shows one once it is as large as the raw edit. direction: not even
    then. harmful: then it shows a loss.
    """
    if raw != ABOVE:
        return "no effect"
    if projected == ABOVE:
        return "kept"
    return {ABOVE: "size", NONE: "direction", BELOW: "harmful"}[matched]


def survives(difference: float, alone: float, corrected: float) -> str:
    """Whether a gain survives correction for all edits, from its p alone and corrected.

    kept: significant after correction. lost: significant alone only. unshown: not even alone.
    none: there is no gain.
    """
    if difference <= 0:
        return NONE
    if corrected < SIGNIFICANT:
        return "kept"
    return "lost" if alone < SIGNIFICANT else "unshown"


def degradation(verdicts: Sequence[str]) -> str:
    """Whether an edit degrades subjects, from the verdict on each (`tests.non_inferiority`).

    shown: on one at least. excluded: a loss of the margin or more, on every subject. open: no loss
    is shown, and on some subject none is excluded.
    """
    if any(verdict.startswith("degraded") for verdict in verdicts):
        return "shown"
    return "excluded" if set(verdicts) == {"not inferior"} else "open"


def optimism(observed: float, low: float) -> str:
    """Whether choosing alpha on the test problems gains, from an interval that is never negative.

    none: both choices are equally accurate. shown: the interval is above zero. unshown: it holds
    zero.
    """
    return NONE if observed <= 0 else "shown" if low > 0 else "unshown"


def against_chance(retained: float, chance: float) -> str:
    """Energy kept by a projection against k/d, the share that a random subspace keeps."""
    ratio = retained / chance
    return ABOVE if ratio > NEAR_CHANCE else BELOW if ratio < 1 / NEAR_CHANCE else NONE


def ranking(accuracy: Mapping[str, float]) -> tuple[str, ...]:
    """Names from the highest to the lowest value; equals keep their order."""
    return tuple(sorted(accuracy, key=lambda name: -accuracy[name]))


def same_signs(published: Sequence[float], reproduced: Sequence[float]) -> tuple[int, int]:
    """(pairs of differences with the same sign, pairs whose published difference is not zero)."""
    pairs = [(p, r) for p, r in zip(published, reproduced, strict=True) if p != 0]
    return sum((p > 0) == (r > 0) and r != 0 for p, r in pairs), len(pairs)
