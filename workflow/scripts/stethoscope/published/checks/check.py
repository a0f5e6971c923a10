"""What a check of the published record is: a claim, a test of it, a verdict.

A check is a function of the `Record` with a line above it that says which claims it tests. It
returns its verdict, by a fixed rule, and the numbers that its sentences print; every one of them is
computed from the record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stethoscope.published.record import Record

HOLDS = "holds"
CONTRADICTED = "contradicted"  # by other numbers or words of the paper
IMPOSSIBLE = "impossible"  # no data could give it
UNDECIDED = "cannot be checked"  # what was printed, or survives, does not decide it
VERDICTS = (IMPOSSIBLE, CONTRADICTED, UNDECIDED, HOLDS)

Finding = tuple[str, dict]  # the verdict, and values by the names that the sentences use


@dataclass(frozen=True)
class Check:
    """A check by name: the claim_ids it quotes, the tables it reads, what else is claimed."""

    name: str
    claims: tuple[str, ...]
    tables: str
    says: str
    run: Callable[[Record], Finding]


def registry() -> tuple[list[Check], Callable]:
    """A list of checks, and a decorator that appends functions to it under their own names."""
    checks: list[Check] = []

    def check(*claims: str, tables: str = "", says: str = ""):
        def register(function: Callable[[Record], Finding]) -> Callable[[Record], Finding]:
            name = function.__name__.replace("_", "-")
            checks.append(Check(name, claims, tables, says, function))
            return function

        return register

    return checks, check


def holds(condition: bool, otherwise: str = CONTRADICTED) -> str:
    """The verdict HOLDS if a condition is met."""
    return HOLDS if condition else otherwise
