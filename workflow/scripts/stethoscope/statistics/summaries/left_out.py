"""What a study has no data for."""

from __future__ import annotations

import pandas as pd

from stethoscope.statistics.results import Results
from stethoscope.statistics.summaries.registry import summary


@summary
def left_out(results: Results) -> pd.DataFrame:
    """The paper's tables and figures for which a study has no data, and why."""
    reasons = {}
    for table, column, items in (
        ("table2", "config", ("table2", "figure8")),
        ("table3", "method", ("table3", "figure4")),
    ):
        if not any(map(results.reproducing, results[table][column])):
            reasons |= dict.fromkeys(items, "no edit reproduces one of its configurations")
    ours = results.one("ours")
    if results.swept(ours).empty:
        reason = "no α of ours but the chosen one was tried on test problems"
        reasons |= dict.fromkeys(("table4", "figure6", "figure7"), reason)
    if not (ours and results.one("projection")):
        reasons["figure1"] = "it takes an edit of ours and a projection"
    if results["search"].empty:
        reasons["figure9"] = "no search by perplexity was made"
    return pd.DataFrame(reasons.items(), columns=["item", "reason"])
