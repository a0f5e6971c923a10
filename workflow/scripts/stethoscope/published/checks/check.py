"""What a check of the published record is: a claim, a test of it, a verdict.

A check is a function of the `Record` with a line above it that says which claims it tests. Every
number in its outcome is computed from the record, and its verdict follows by a fixed rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stethoscope.published.record import EmptyCell, Record

HOLDS = "holds"
CONTRADICTED = "contradicted"  # by other numbers or words of the paper
IMPOSSIBLE = "impossible"  # no data could give it
UNDECIDED = "cannot be checked"  # what was printed, or survives, does not decide it
VERDICTS = (IMPOSSIBLE, CONTRADICTED, UNDECIDED, HOLDS)


@dataclass(frozen=True)
class Outcome:
    """What a check found, its verdict (one of `VERDICTS`), and the numbers behind it."""

    found: str
    verdict: str
    evidence: str = ""


@dataclass(frozen=True)
class Check:
    """A check by name: the tables it reads, the claim_ids it quotes, what else is claimed."""

    name: str
    tables: str
    cites: tuple[str, ...]
    says: str
    run: Callable[[Record], Outcome]


def registry(checks: list[Check]):
    """A decorator that appends functions to `checks`, named after the function."""

    def check(tables: str = "", cites: tuple[str, ...] = (), says: str = ""):
        def register(function: Callable[[Record], Outcome]) -> Callable[[Record], Outcome]:
            name = function.__name__.replace("_", "-")
            checks.append(Check(name, tables, cites, says, function))
            return function

        return register

    return check


def run_check(check: Check, record: Record) -> dict[str, str]:
    """`check where claim found verdict evidence` of one check.

    where: section and table; claim: what a table says, and the paper's words with their claim_id.
    A check that needs an empty cell cannot be made, and says which.
    """
    claims = [record.claim(name) for name in check.cites]
    places = dict.fromkeys([*(claim.place for claim in claims), check.tables])
    names: dict[str, list[str]] = {}
    for claim in claims:
        names.setdefault(claim.quote, []).append(claim.name)
    quotes = [f"“{quote}” [{', '.join(cited)}]" for quote, cited in names.items()]
    try:
        outcome = check.run(record)
    except EmptyCell as error:
        outcome = Outcome(str(error), UNDECIDED)
    return {
        "check": check.name,
        "where": ", ".join(place for place in places if place),
        "claim": "; ".join([check.says, *quotes] if check.says else quotes),
        "found": outcome.found,
        "verdict": outcome.verdict,
        "evidence": outcome.evidence,
    }


def points(difference: float) -> str:
    """A difference of proportions as "+9.8 points"."""
    return f"{signed(difference)} points"


def signed(difference: float) -> str:
    """A difference of proportions in percentage points, as "+9.8" or "−1.3"."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def two_digits(p: float) -> str:
    """Two significant digits, as 0.00066 or 2.6e-08."""
    return f"{p:#.2g}"
