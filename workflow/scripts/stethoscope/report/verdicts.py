"""Findings as sentences with their numbers; the rules are in `statistics.summaries.verdicts`."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from stethoscope.statistics.results import ABOVE, BELOW, NONE, direction
from stethoscope.statistics.summaries.verdicts import rank_p

__all__ = ["ABOVE", "BELOW", "NONE", "Finding", "direction", "rank_p", "sentence"]


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
