"""The registry of summaries: one function for each table or group of numbers that is printed.

A summary takes the study's `Results` and returns a frame with one row for each printed row, all
numbers in it. `summarize_results` writes each as statistics/summaries/<name>.tsv. Adding one is a
function here in this package and a table spec in report/tables/ that names it as its `source`.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from stethoscope.statistics.results import Results

Summary = Callable[[Results], pd.DataFrame]
SUMMARIES: dict[str, Summary] = {}


def summary(function: Summary) -> Summary:
    """Register a summary under its name."""
    SUMMARIES[function.__name__] = function
    return function
