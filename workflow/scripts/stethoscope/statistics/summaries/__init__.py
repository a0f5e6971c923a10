"""Summaries: what the report prints, one module for each part of it.

Importing the package registers all of them.
"""

from stethoscope.statistics.summaries import layers, left_out, merging, paper_tables
from stethoscope.statistics.summaries.registry import SUMMARIES, frame, summary, write_summaries

__all__ = [
    "SUMMARIES",
    "frame",
    "layers",
    "left_out",
    "merging",
    "paper_tables",
    "summary",
    "write_summaries",
]
