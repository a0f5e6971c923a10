"""A synthetic corpus of maths problems, for studies that pretrain their own small model.

The paper uses MATH; this corpus has the same seven subjects and the same fields, and operands
small enough for a model of a million parameters. The questions are in a module for each subject.
"""

from inspect import isfunction
from itertools import accumulate
from random import Random
from types import ModuleType

from stethoscope.problems.records import MATH
from stethoscope.problems.synthetic import (
    algebra,
    counting_and_probability,
    easy,
    geometry,
    intermediate_algebra,
    number_theory,
    prealgebra,
    precalculus,
)
from stethoscope.problems.synthetic.operands import Family

# Draws in a row without a new problem after which a subject counts as used up. Far above what
# the default sizes need: they find a new one in at least every third draw.
PATIENCE = 2000


def _families(module: ModuleType) -> tuple[Family, ...]:
    """The public functions of a subject's module, in its order."""
    functions = (value for value in vars(module).values() if isfunction(value))
    return tuple(
        function
        for function in functions
        if function.__module__ == module.__name__ and not function.__name__.startswith("_")
    )


FAMILY_SETS: dict[str, dict[str, tuple[Family, ...]]] = {
    "all": {
        "number_theory": _families(number_theory),
        "counting_and_probability": _families(counting_and_probability),
        "algebra": _families(algebra),
        "geometry": _families(geometry),
        "intermediate_algebra": _families(intermediate_algebra),
        "prealgebra": _families(prealgebra),
        "precalculus": _families(precalculus),
    },
    "easy": easy.FAMILIES,
}


def generate_problem(rng: Random, slug: str, family: Family, level: int) -> dict[str, str]:
    """One record of a subject's family."""
    problem, solution = family(rng, level)
    return {
        "problem": problem,
        "solution": solution,
        "level": f"Level {level}",
        "type": MATH[slug].type,
    }


def generate_splits(
    seed: int, sizes: dict[str, dict[str, int]], families: str = "all"
) -> dict[str, list[dict[str, str]]]:
    """Disjoint splits of distinct problems: {split: records}, subjects in the paper's order.

    seed: same seed, same bytes; a subject's problems depend on no other subject's sizes.
    sizes: {split: {subject slug: number of problems}}.
    families: "all", or "easy" for the few that a model of 0.2 M parameters can learn.

    A subject's problems are drawn for all splits at once and then dealt out at random, so that
    no split gets more of the families with few distinct problems than another.

    Raises ValueError for an unknown name, a negative size, or a subject that has too few
    distinct problems (naming the split that cannot be filled).
    """
    if families not in FAMILY_SETS:
        raise ValueError(f"families: expected one of {', '.join(FAMILY_SETS)}, found {families!r}")
    for split, counts in sizes.items():
        for slug, count in counts.items():
            if slug not in MATH:
                raise ValueError(
                    f"{split}: expected one of the subjects {', '.join(MATH)}, found {slug!r}"
                )
            if count < 0:
                raise ValueError(f"{split}: {slug}: expected a size of 0 or more, found {count}")
    splits: dict[str, list[dict[str, str]]] = {split: [] for split in sizes}
    for slug in MATH:
        counts = {split: by_subject.get(slug, 0) for split, by_subject in sizes.items()}
        # A string seed is hashed with SHA-512: the same on every machine and Python version.
        rng = Random(f"{seed}/{families}/{slug}")
        drawn = _distinct_problems(rng, slug, FAMILY_SETS[families][slug], counts)
        rng.shuffle(drawn)
        dealt = iter(drawn)
        for split, count in counts.items():
            splits[split] += [next(dealt) for _ in range(count)]
    return splits


def _distinct_problems(
    rng: Random, slug: str, families: tuple[Family, ...], counts: dict[str, int]
) -> list[dict[str, str]]:
    """As many records as `counts` sums up to, no two with the same problem text."""
    records: dict[str, dict[str, str]] = {}
    misses = 0
    while len(records) < sum(counts.values()):
        record = generate_problem(rng, slug, rng.choice(families), rng.randint(1, 5))
        if record["problem"] not in records:
            misses = 0
            records[record["problem"]] = record
        elif (misses := misses + 1) >= PATIENCE:
            raise ValueError(_too_few(slug, counts, len(records)))
    return list(records.values())


def _too_few(slug: str, counts: dict[str, int], available: int) -> str:
    """The first split that cannot be filled when the splits are filled in order."""
    totals = zip(counts, accumulate(counts.values()), strict=True)
    split, total = next((split, total) for split, total in totals if total > available)
    return (
        f"{split}: {slug}: expected {counts[split]} more distinct problems after "
        f"{total - counts[split]} in the splits before it, found {available} in all; "
        "lower the sizes"
    )
