"""The registry of summaries: one function for each table or group of numbers that is printed.

A summary takes the study's `Results` and returns a frame with one row for each printed row, all
numbers in it. `summarize_results` writes each as statistics/summaries/<name>.tsv. Adding one is a
function here in this package and a table spec in report/tables/ that names it as its `source`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stethoscope.runtime.files import write_text
from stethoscope.statistics.results import Results

Summary = Callable[[Results], pd.DataFrame]
SUMMARIES: dict[str, Summary] = {}


def summary(function: Summary) -> Summary:
    """Register a summary under its name."""
    SUMMARIES[function.__name__] = function
    return function


def frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows as a table in which whole numbers stay whole beside missing ones.

    columns: needed where there may be no row.
    """
    return pd.DataFrame(list(rows), columns=columns, dtype=object)


def listed(values: Sequence[Any], separator: str = " ") -> Any:
    """One value as it is, several (of the seeds) side by side as text, none as missing."""
    if len(values) < 2:
        return next(iter(values), None)
    return separator.join(map(str, values))


def write_summaries(results: Results, paths: Mapping[str, str | Path]) -> None:
    """Write the summaries that are named, each to its path.

    Raises ValueError for a name that no summary has, before any is computed.
    """
    for name in paths:
        if name not in SUMMARIES:
            known = [*SUMMARIES, *results.tables]
            near = get_close_matches(name, known, 1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(
                f"report: source '{name}' is no table of the statistics and no summary{meant}"
            )
    for name, path in paths.items():
        write_text(path, to_tsv(SUMMARIES[name](results)))


def to_tsv(table: pd.DataFrame) -> str:
    """A table as TSV: whole numbers as such, floats so that they are read back bit for bit."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.itertuples(index=False, name=None):
        writer.writerow([_written(value) for value in row])
    return buffer.getvalue()


def _written(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)
