"""Parts of printed rows: the edit, the seed where there are several, the edit's effects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from stethoscope.names import SelectionId, selection_name
from stethoscope.statistics.results import BASE, Results
from stethoscope.statistics.summaries.registry import frame


def opening(results: Results, edit: str, first: bool = True) -> dict[str, Any]:
    """Title and class of an edit's row; only the first of several rows has the title."""
    title, draw = results.edits.loc[edit, ["title", "draw"]]
    return {"title": title if first else None, "css": "" if pd.isna(draw) else "minor"}


def by_seed(
    results: Results, edits: Iterable[str] | None = None
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(edit, seed, start of the row) for some edits, by default all that were evaluated."""
    for edit in results.evaluated if edits is None else edits:
        for seed in results.seeds:
            start = opening(results, edit, first=seed == results.seeds[0])
            yield edit, seed, start | {"seed": seed}


def seeds_shown(results: Results, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a frame; a study with one seed has no column for it."""
    table = frame(rows)
    return table.drop(columns="seed", errors="ignore") if len(results.seeds) == 1 else table


def effects(results: Results, edit: str, scopes: Mapping[str, str]) -> dict[str, Any]:
    """Accuracy and paired difference from base, by suffix of the columns and its subject."""
    row: dict[str, Any] = {}
    for scope, subject in scopes.items():
        row[f"accuracy_{scope}"] = results.accuracy(edit, subject)
        if paired := results.paired(edit, BASE, subject):
            row |= paired.columns(scope)
    return row


def selection_of(results: Results, edit: str) -> str:
    """The name of an edit's selection of layers, its draw in it."""
    about = results.edits.loc[edit]
    draw = None if pd.isna(about["selection_draw"]) else int(about["selection_draw"])
    return selection_name(SelectionId(about["selection"], draw))


def edited(results: Results) -> list[str]:
    """The evaluated edits without base."""
    return [edit for edit in results.evaluated if results.edits.at[edit, "role"] != "base"]
