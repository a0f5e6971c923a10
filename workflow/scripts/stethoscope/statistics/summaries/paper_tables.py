"""Tables 1 to 6 of the paper: published numbers beside this study's (sections 4 and 5).

A number that the paper's text lost, or that this study does not have, is missing.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from stethoscope.statistics.results import BASE, Results
from stethoscope.statistics.summaries.registry import frame, summary

SIG = ("gains_z", "losses_z", "gains_holm", "losses_holm")


@summary
def paper_table2(results: Results) -> pd.DataFrame:
    """Layer-selection strategies: layers, alpha, effect on the target, number of subjects."""
    rows = []
    for published in results["table2"].to_dict("records"):
        edit = results.reproducing(published["config"])
        row = {"configuration": published["config"], "title": None, "css": _css(results, edit)}
        row |= {f"{name}_published": published[name] for name in ("n_layers", "alpha", "sig")}
        row |= {"z_published": published["NT_z"], "note": published["note"]}
        if edit:
            row |= {"title": results.edits.at[edit, "title"], **_layers(results, edit)}
            row |= {"alpha": listed(results.alphas(edit)), **_effect(results, edit)}
        rows.append(row)
    return frame(rows)


def _css(results: Results, edit: str | None) -> str | None:
    return "ours" if edit and results.edits.at[edit, "role"] == "ours" else None


def listed(values: list, separator: str = " ") -> Any:
    """One value as it is; several (of the seeds) side by side as text."""
    return values[0] if len(values) == 1 else separator.join(map(str, values))


def _layers(results: Results, edit: str) -> dict[str, Any]:
    """How many layers an edit changes and which; seeds that differ side by side."""
    energies = [results.energy(edit, seed) for seed in results.seeds]
    which = list(dict.fromkeys(energy["layers"] for energy in energies))
    counts = list(dict.fromkeys(int(energy["n_layers"]) for energy in energies))
    return {"n_layers": listed(counts, " · "), "layers": " · ".join(which)}


def _effect(results: Results, edit: str) -> dict[str, Any]:
    """Effect on the target against base, and #Sig by the paper's z and by corrected p."""
    target = results.target
    row = {"z": results.against_base(edit, target)["z"]}
    if paired := results.paired(edit, BASE, target):
        row |= {"accuracy": results.accuracy(edit, target), **paired.columns()}
    return row | significant(results, edit)


def significant(results: Results, edit: str) -> dict[str, int]:
    """Numbers of subjects with a significant gain and loss, by two tests."""
    counts = (*results.significant(edit, "p_z"), *results.significant(edit, "p_holm"))
    return dict(zip(SIG, counts, strict=True))
