"""Every edit of a study as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stethoscope.study.queries import BASE, edit_names, families, own_draws

ROLES = ("base", "full", "random", "projection", "projection_matched", "ours", "other", "control")


def edit_table(study: Mapping) -> list[dict[str, Any]]:
    """A row for each edit: by `ROLES`, then as configured, then by draw."""
    rows = []
    for spec in families(study):
        about = {"role": "base", "label": "Base model", "transform": "raw", "evaluate": True}
        about |= study["edits"].get(spec, {})
        names = edit_names(study, spec)
        for number, edit in enumerate(names, start=1):
            draw = None if names == [spec] else number
            rows.append(
                {
                    "edit": edit,
                    "spec": spec,
                    "draw": draw,
                    "role": about["role"],
                    "label": about["label"],
                    "selection": about.get("selection"),
                    "selection_draw": None if spec == BASE or own_draws(study, about) else draw,
                    "transform": about["transform"],
                    "evaluated": int(about["evaluate"]),
                }
            )
    return sorted(rows, key=lambda row: ROLES.index(row["role"]))
