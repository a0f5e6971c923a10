"""What the numbers say, by explicit rules.

A sentence of the report is picked by an interval or a rank, never by hand: an interval that holds
zero reads as "no difference shown at this n" whatever the point estimate, for every method alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

ABOVE, BELOW, NONE = "above", "below", "none"

# Projected energy within this factor of k/d counts as what a random subspace would keep.
NEAR_CHANCE = 2.0


@dataclass(frozen=True)
class Finding:
    """A question, its answer in a word or two, and the sentence with the numbers."""

    key: str
    question: str
    answer: str
    sentence: Markup


def sentence(template: str, **values: object) -> Markup:
    """One of the sentences here with its numbers; ~ is a space that does not break."""
    return Markup(template.replace("~", "\N{NO-BREAK SPACE}")).format(**values)


def direction(low: float, high: float) -> str:
    """Where an interval of a difference lies: above zero, below zero, or none (holds zero)."""
    if low > high:
        raise ValueError(f"interval: expected low <= high, found [{low}, {high}]")
    return ABOVE if low > 0 else BELOW if high < 0 else NONE


def rank_p(ours: float, draws: Sequence[float]) -> float:
    """(1 + number of random draws that are at least as good) / (draws + 1); one-sided."""
    if not draws:
        raise ValueError("rank p: expected one random draw or more, found none")
    return (1 + sum(draw >= ours for draw in draws)) / (len(draws) + 1)


def standing(ours: float, draws: Sequence[float]) -> str:
    """above: better than every draw; below: worse than every draw; none: among them."""
    return ABOVE if ours > max(draws) else BELOW if ours < min(draws) else NONE


def against_rivals(directions: Sequence[str]) -> str:
    """Whether ours is better than several rivals, from one direction for each of them."""
    better, worse = ABOVE in directions, BELOW in directions
    if better and worse:
        return "than some, and worse than some"
    if worse:
        return "no, worse than some"
    if better:
        return "than all of them" if set(directions) == {ABOVE} else "than some"
    return "not shown at this n"


def direction_or_size(raw: str, projected: str, matched: str) -> str:
    """Why a projected edit does nothing, from three directions against base on the target.

    raw: the same layers without projection. projected: as projected. matched: the projection
    scaled to the raw edit's norm.

    unasked: the raw edit shows no gain, so there is nothing to lose. kept: the projection shows a
    gain itself. size: it shows one once it is as large as the raw edit. direction: not even then.
    harmful: then it shows a loss.
    """
    if raw != ABOVE:
        return "unasked"
    if projected == ABOVE:
        return "kept"
    return {ABOVE: "size", NONE: "direction", BELOW: "harmful"}[matched]


def survives(difference: float, alone: float, corrected: float, level: float = 0.05) -> str:
    """What correction for all edits leaves of a gain, from its p alone and corrected.

    kept: significant after correction. lost: significant alone only. unshown: not even alone.
    none: there is no gain.
    """
    if difference <= 0:
        return "none"
    if corrected < level:
        return "kept"
    return "lost" if alone < level else "unshown"


def degradation(found: Sequence[str]) -> str:
    """Whether an edit degrades subjects, from the verdict on each (`statistics.non_inferiority`).

    shown: on one at least. excluded: on every subject a loss of the margin or more is. open: no
    loss is shown, and on some subject none is excluded.
    """
    if any(verdict.startswith("degraded") for verdict in found):
        return "shown"
    return "excluded" if set(found) == {"not inferior"} else "open"


def optimism(observed: float, low: float) -> str:
    """What choosing alpha on the test problems gains, from its interval, which is never negative.

    none: both choices do equally well here. shown: the interval is above zero. unshown: it holds
    zero.
    """
    return "none" if observed <= 0 else "shown" if low > 0 else "unshown"


def against_chance(retained: float, chance: float) -> str:
    """Energy kept by a projection against k/d, what a random subspace of that rank keeps."""
    ratio = retained / chance
    return ABOVE if ratio > NEAR_CHANCE else BELOW if ratio < 1 / NEAR_CHANCE else NONE


def ranking(accuracy: Mapping[str, float]) -> tuple[str, ...]:
    """Names from the highest to the lowest value; equals keep their order."""
    return tuple(sorted(accuracy, key=lambda name: -accuracy[name]))


def same_signs(published: Sequence[float], reproduced: Sequence[float]) -> tuple[int, int]:
    """(pairs of differences with the same sign, pairs whose published difference is not zero)."""
    pairs = [(p, r) for p, r in zip(published, reproduced, strict=True) if p != 0]
    return sum((p > 0) == (r > 0) and r != 0 for p, r in pairs), len(pairs)


# In the sentences, ~ is a space that no line break may take.

# Answers to "does {edit} beat {reference}?", "does {edit} hurt?" and "does it differ?".
BEATS = {ABOVE: "yes", BELOW: "no, it is worse", NONE: "not shown at this n"}
HURTS = {ABOVE: "no, it helps", BELOW: "yes", NONE: "not shown at this n"}
DIFFERS = {ABOVE: "yes, above it", BELOW: "yes, below it", NONE: "not at this n"}

COMPARED = {
    ABOVE: "{edit} is above {reference} on {scope}: {difference} points, 95~% interval "
    "[{low}, {high}], n~=~{n}.",
    BELOW: "{edit} is below {reference} on {scope}: {difference} points, 95~% interval "
    "[{low}, {high}], n~=~{n}.",
    NONE: "No difference between {edit} and {reference} on {scope} is shown at this n: "
    "{difference} points, 95~% interval [{low}, {high}] holds zero, n~=~{n}.",
}

STANDING_ANSWER = {ABOVE: "above every draw", BELOW: "below every draw", NONE: "among the draws"}
STANDING = {
    ABOVE: "{edit} ({ours}~%) is above all {draws} draws of as many random layers",
    BELOW: "{edit} ({ours}~%) is below all {draws} draws of as many random layers",
    NONE: "{edit} ({ours}~%) lies among {draws} draws of as many random layers",
}
RANGE = (
    " ({lowest} to {highest}~%, mean {mean}~%). Rank p~=~{p}; with {draws} draws it cannot be "
    "below {floor}, so this rank alone cannot establish an advantage."
)
# With 19 draws or more, the rank can reach .05.
RANGE_ENOUGH = " ({lowest} to {highest}~%, mean {mean}~%). Rank p~=~{p} over {draws} draws."

RIVALS = (
    "Selectors with as many layers: {total}, of which {same} picked the very same ones. The "
    "paired 95~% interval of {edit} minus theirs on {scope} is above zero for {above} and below "
    "zero for {below}; {higher} have a higher accuracy, whether or not it is shown at this n."
)

CAUSE_ANSWER = {
    "unasked": "cannot be asked here",
    "kept": "neither: a gain is left",
    "size": "size",
    "direction": "direction, as far as shown",
    "harmful": "direction",
}
CAUSE = {
    "unasked": "The raw edit in the same layers shows no gain over base on {scope}, so there is no "
    "effect that the projection could lose.",
    "kept": "The projection shows a gain on {scope} itself.",
    "size": "Scaled to the norm of the raw edit, the projection shows a gain on {scope} "
    "({difference} points, [{low}, {high}]): what the plain projection lacks is size.",
    "direction": "Scaled to the norm of the raw edit, the projection still shows no gain on "
    "{scope} at this n ({difference} points, [{low}, {high}]), while the raw edit does: consistent "
    "with a lost direction, not only a lost size.",
    "harmful": "Scaled to the norm of the raw edit, the projection lowers {scope} ({difference} "
    "points, [{low}, {high}]), while the raw edit raises it: the direction is wrong.",
}
ENERGY = {
    ABOVE: " It keeps {retained}~% of the energy, {ratio} times what a random subspace of that "
    "rank keeps ({chance}~%); the best subspace of that rank would keep {oracle}~%.",
    BELOW: " It keeps {retained}~% of the energy, less than a random subspace of that rank "
    "({chance}~%, ratio {ratio}); the best one would keep {oracle}~%.",
    NONE: " It keeps {retained}~% of the energy, about what a random subspace of that rank keeps "
    "({chance}~%, ratio {ratio}); the best one would keep {oracle}~%. So little energy says "
    "nothing about SAE features in particular.",
}

SURVIVES_ANSWER = {
    "kept": "yes",
    "lost": "no, only before correction",
    "unshown": "not shown at this n, with or without correction",
    "none": "there is no gain",
}
SURVIVES = (
    "{edit} against base on {scope}: {difference} points, p~=~{alone} alone and p~=~{corrected} "
    "corrected for all {edits} edits evaluated on these problems (sign flips, two-sided)."
)
DEGRADATION_ANSWER = {
    "shown": "yes, some",
    "excluded": "no, excluded on every subject",
    "open": "none shown, but not excluded everywhere",
}
DEGRADATION = (
    "{edit} against base: of {subjects} subjects, {lost} show a loss; on {safe} a loss of {margin} "
    "points or more is excluded (the 95~% interval ends above it); {undecided} are undecided. "
    "What would be found in four of five repetitions, if as many answers differ as here, is a "
    "difference of {lowest} to {highest} points, by subject. Each subject is judged on its own."
)
OPTIMISM_ANSWER = {
    "none": "not at all here: both choices do as well",
    "shown": "it flatters",
    "unshown": "not shown at this n",
}
OPTIMISM = (
    "{edit}: α~=~{chosen} chosen on validation problems gives {honest}~% on the test problems that "
    "choose; α~=~{best} chosen on these themselves, as the paper does, {flattered}~%: {optimism} "
    "points more. Over resamples with both choices made again: {low} to {high} points (95~%). "
)
REPEATED = "Of {repeated} answers given a second time, {differ} differ."
