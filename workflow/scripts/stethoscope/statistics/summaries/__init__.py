"""Summaries: what the report prints, one module for each part of it.

Importing the package registers all of them.
"""

from stethoscope.statistics.summaries import (  # noqa: F401
    comparisons,
    energy,
    figures,
    findings,
    layers,
    merging,
    paper_tables,
    published,
    repeats,
    robustness,
    runs,
)
from stethoscope.statistics.summaries.registry import SUMMARIES, frame, summary, write_summaries

__all__ = ["SUMMARIES", "frame", "summary", "write_summaries"]
