"""A synthetic corpus of maths problems, for studies that grow their own small model.

The paper uses MATH; this corpus has the same seven subjects and the same fields, and operands
small enough for a model of a million parameters. The questions themselves are in `questions`.
"""

from itertools import accumulate
from random import Random
from typing import NamedTuple

from stethoscope.problems.records import MATH
from stethoscope.problems.synthetic.questions import EASY_FAMILIES, FAMILIES, Family

# Draws in a row without a new problem after which a subject counts as used up. Far above what
# the default sizes need: they find a new one in at least every third draw.
PATIENCE = 2000

FAMILY_SETS: dict[str, dict[str, dict[str, Family]]] = {"all": FAMILIES, "easy": EASY_FAMILIES}


class Corpus(NamedTuple):
    """Records and, in the same order, the family that each one came from, by split."""

    records: dict[str, list[dict[str, str]]]
    families: dict[str, list[str]]


def generate_problem(rng: Random, slug: str, family: str, level: int) -> dict[str, str]:
    """One record of one family (of either family set). Raises KeyError for unknown names."""
    question = (FAMILIES[slug] | EASY_FAMILIES[slug])[family]
    problem, solution = question(rng, level)
    return {
        "problem": problem,
        "solution": solution,
        "level": f"Level {level}",
        "type": MATH[slug].type,
    }


def generate_splits(
    seed: int,
    sizes: dict[str, dict[str, int]],
    families: str = "all",
    with_family: bool = False,
) -> dict[str, list[dict[str, str]]] | Corpus:
    """Disjoint splits of distinct problems: {split: records}, subjects in the paper's order.

    seed: same seed, same bytes; a subject's problems depend on no other subject's sizes.
    sizes: {split: {subject slug: number of problems}}.
    families: "all", or "easy" for the few that a model of 0.2 M parameters can learn.
    with_family: return a `Corpus`, which also names each record's family.

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
    corpus = Corpus({split: [] for split in sizes}, {split: [] for split in sizes})
    for slug in MATH:
        counts = {split: by_subject.get(slug, 0) for split, by_subject in sizes.items()}
        # A string seed is hashed with SHA-512: the same on every machine and Python version.
        rng = Random(f"{seed}/{families}/{slug}")
        drawn = _distinct_problems(rng, slug, FAMILY_SETS[families][slug], counts)
        rng.shuffle(drawn)
        start = 0
        for split, count in counts.items():
            for family, record in drawn[start : start + count]:
                corpus.records[split].append(record)
                corpus.families[split].append(family)
            start += count
    return corpus if with_family else corpus.records


def _distinct_problems(
    rng: Random, slug: str, families: dict[str, Family], counts: dict[str, int]
) -> list[tuple[str, dict[str, str]]]:
    """As many (family, record) as `counts` sums up to, no two with the same problem text."""
    names = list(families)
    wanted = sum(counts.values())
    found: dict[str, tuple[str, dict[str, str]]] = {}
    misses = 0
    while len(found) < wanted:
        name = rng.choice(names)
        record = generate_problem(rng, slug, name, rng.randint(1, 5))
        if record["problem"] in found:
            misses += 1
            if misses >= PATIENCE:
                raise ValueError(_too_few(slug, counts, len(found)))
        else:
            misses = 0
            found[record["problem"]] = (name, record)
    return list(found.values())


def _too_few(slug: str, counts: dict[str, int], available: int) -> str:
    """The first split that cannot be filled when the splits are filled in order."""
    totals = zip(counts, accumulate(counts.values()), strict=True)
    split, total = next((split, total) for split, total in totals if total > available)
    return (
        f"{split}: {slug}: expected {counts[split]} more distinct problems after "
        f"{total - counts[split]} in the splits before it, found {available} in all; "
        "lower the sizes"
    )
