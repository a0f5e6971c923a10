"""Summaries: what the report prints, one module for each part of it.

Importing the package registers all of them.
"""

from stethoscope.statistics.summaries import (
    comparisons,
    energy,
    findings,
    layers,
    left_out,
    merging,
    paper_tables,
    repeats,
    runs,
)
from stethoscope.statistics.summaries.registry import SUMMARIES, frame, summary, write_summaries

__all__ = [
    "SUMMARIES",
    "comparisons",
    "energy",
    "findings",
    "frame",
    "layers",
    "left_out",
    "merging",
    "paper_tables",
    "repeats",
    "runs",
    "summary",
    "write_summaries",
]
