"""Summaries: what the report prints, one module for each part of it.

Importing the package registers all of them.
"""

from stethoscope.statistics.summaries import (
    comparisons,
    energy,
    figures,
    findings,
    left_out,
    paper_tables,
    repeats,
    runs,
)
from stethoscope.statistics.summaries.registry import SUMMARIES, frame, summary, write_summaries

__all__ = [
    "SUMMARIES",
    "comparisons",
    "energy",
    "figures",
    "findings",
    "frame",
    "left_out",
    "paper_tables",
    "repeats",
    "runs",
    "summary",
    "write_summaries",
]
