"""Comparisons of edits on the same problems, alone and corrected for all edits."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.results import ABOVE, BELOW, NONE, OTHERS, SIGNIFICANT, Results
from stethoscope.statistics.summaries.registry import frame, summary
from stethoscope.statistics.summaries.rows import edited, opening

GROUPS = ("target", "others")  # suffixes of the columns: the target, all other subjects


@summary
def paired_comparisons(results: Results) -> pd.DataFrame:
    """Paired differences on the target and on the other subjects, by reference."""
    draw = results.edits["draw"]
    rows = []
    for section, label, edit, reference in _pairs(results):
        target = results.paired(edit, reference, results.target)
        others = results.paired(edit, reference, OTHERS)
        if target and others:
            is_draw = draw[[edit, reference]].notna().any()
            row = {"section": section, "title": label, "css": "minor" if is_draw else ""}
            rows.append(row | target.columns("target") | others.columns("others"))
    return frame(rows)


def _pairs(results: Results) -> Iterator[tuple[str, str, str, str]]:
    """(section, label of the row, edit, reference) of each comparison that is shown."""
    title = results.edits["title"]
    shown = [e for e in edited(results) if results.edits.at[e, "role"] != "control"]
    ours, matched = results.of("ours"), results.of("projection_matched")
    for role, edits in (("base", shown), ("full", ours), ("projection", [*ours, *matched])):
        for reference in results.of(role):
            for edit in edits:
                yield f"against {title[reference]}", title[edit], edit, reference
    for edit in ours:
        for draw in results.of("random"):
            yield title[edit], f"against {title[draw]}", edit, draw


@summary
def seed_differences(results: Results) -> pd.DataFrame:
    """Differences from base seed by seed, a seed a column; no rows with one seed."""
    base = results.one("base")
    if len(results.seeds) == 1 or base is None:
        return frame([])
    rows = []
    for edit in edited(results):
        row = opening(results, edit)
        for seed in results.seeds:
            for group, subject in zip(GROUPS, (results.target, OTHERS), strict=True):
                paired = results.paired(edit, base, subject, seed)
                row[f"difference_{group}_{seed}"] = paired.difference if paired else None
                row[f"direction_{group}_{seed}"] = paired.direction if paired else None
        rows.append(row)
    return frame(rows)


@summary
def corrected_gains(results: Results) -> pd.DataFrame:
    """Every edit against base on the target and on the others, with p corrected for all edits."""
    table = results["families"]
    table = table[table["seed"] == results.view].set_index(["edit", "subject"])
    columns = ("difference", "t", "p_signflip", "p_max", "direction")
    rows = []
    for edit in edited(results) if len(table) else ():
        row = opening(results, edit)
        for group, subject in zip(GROUPS, (results.target, OTHERS), strict=True):
            values = dict.fromkeys(columns)
            if (edit, subject) in table.index:
                values |= table.loc[(edit, subject)].to_dict()
                gain = ABOVE if values["difference"] > 0 else BELOW
                values["direction"] = gain if values["p_max"] < SIGNIFICANT else NONE
            row |= {f"{column}_{group}": values[column] for column in columns}
        rows.append(row)
    return frame(rows)


@summary
def possible_losses(results: Results) -> pd.DataFrame:
    """Lower bound and smallest detectable difference of each edit, by subject.

    mark_*: excluded where the interval excludes a loss of the margin, below where it shows a loss.
    """
    table = results["noninferiority"]
    table = table[table["seed"] == results.view].set_index(["edit", "subject"])
    columns = {subject: SUBJECTS[subject].short for subject in results.subjects}
    rows = []
    for edit in edited(results) if len(table) else ():
        if results.edits.at[edit, "role"] == "control":
            continue
        row = opening(results, edit)
        for subject, name in (columns | {OTHERS: OTHERS}).items():
            bounds = table.loc[(edit, subject)]
            row[f"ci_low_{name}"] = bounds["ci_low"]
            row[f"mark_{name}"] = loss_mark(bounds["verdict"])
            row[f"mde_{name}"] = bounds["mde"]
        rows.append(row)
    return frame(rows)


def loss_mark(verdict: str) -> str:
    """The mark of a verdict of `tests.non_inferiority`."""
    if verdict.startswith("degraded"):
        return BELOW
    return "excluded" if verdict == "not inferior" else NONE
