"""Verdicts of the checks of the published record.

A check is a function of the `Record`, described under its name in config/published/checks.yaml. It
returns its verdict, by a fixed rule, and the numbers of its sentences by name, all computed from
the record.
"""

HOLDS = "holds"
CONTRADICTED = "contradicted"  # by other numbers or words of the paper
IMPOSSIBLE = "impossible"  # no data could give it
UNDECIDED = "cannot be checked"  # the printed or surviving numbers do not decide it
VERDICTS = (IMPOSSIBLE, CONTRADICTED, UNDECIDED, HOLDS)


def holds(condition: bool, otherwise: str = CONTRADICTED) -> str:
    """The verdict HOLDS if a condition is met."""
    return HOLDS if condition else otherwise
