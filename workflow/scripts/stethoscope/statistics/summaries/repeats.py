"""Test problems answered more than once: other alphas, batch sizes and protocols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.results import ALL, Results
from stethoscope.statistics.summaries.registry import frame, summary
from stethoscope.statistics.summaries.rows import opening


@summary
def alpha_optimism(results: Results) -> pd.DataFrame:
    """Alpha chosen on validation problems beside alpha chosen on the test problems."""
    return frame(_by_edit(results, results["optimism"]))


@summary
def noise_floor(results: Results) -> pd.DataFrame:
    """The same edits and problems with two batch sizes."""
    first = results.study["evaluation"]["batch_size"]
    rows = _by_edit(results, results["noise"])
    return frame([row | {"batch_size_first": first} for row in rows])


@summary
def protocol_gains(results: Results) -> pd.DataFrame:
    """The same edits and problems under several protocols: the target, and all subjects."""
    table = results["protocols"]
    rows = _by_edit(results, table[table["subject"].isin([results.target, ALL])])
    names = {results.target: SUBJECTS[results.target].short}
    return frame([row | {"scope": names.get(row["subject"], ALL)} for row in rows])


def _by_edit(results: Results, table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of a table by edit in the order of the report, each with its opening."""
    for edit in results.evaluated:
        mine = table[table["edit"] == edit].to_dict("records")
        for order, row in enumerate(mine):
            yield row | opening(results, edit, first=order == 0)
