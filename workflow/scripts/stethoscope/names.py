"""Ids of edits and selections, scopes of rows, and how paths spell them. Standard library only.

An id is data: results carry its fields, and nothing reads a name or a path to learn them. Only
this module converts between ids and names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

BASE = "base"  # the edit spec of the unedited model

# Scopes: rows over several seeds or subjects have these in the column of the seed or the subject.
POOLED = "pooled"  # all seeds
ALL = "all"  # all subjects
OTHERS = "others"  # all subjects but the target


@dataclass(frozen=True)
class SelectionId:
    """One set of layers: a selection of the study, or one of its draws."""

    name: str
    draw: int | None = None


@dataclass(frozen=True)
class EditId:
    """One edit: an edit spec of the study or one of its draws, at one alpha or (None) at any."""

    spec: str
    draw: int | None = None
    alpha: float | None = None

    def at(self, alpha: float) -> EditId:
        """The same edit at an alpha."""
        return replace(self, alpha=float(alpha))

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> EditId:
        """The edit that a record is about, from its fields spec, draw and alpha."""
        return cls(record["spec"], record["draw"], record.get("alpha"))


def sets_by_draw(selection: Mapping[str, Any]) -> dict[int | None, Mapping[str, Any]]:
    """The sets of layers in the file of a selection by draw, from 1; None where it has no draws.

    Each has `layers`, and `scores` where there are any.
    """
    if "draws" not in selection:
        return {None: selection}
    return dict(enumerate(selection["draws"], start=1))


def selection_name(selection: SelectionId) -> str:
    """As in the column `selection`: sp, or random-3 for a draw."""
    return _drawn(selection.name, selection.draw)


def edit_name(edit: EditId) -> str:
    """As in the column `edit`: sp, or random-3 for a draw, whatever its alpha."""
    return _drawn(edit.spec, edit.draw)


def edit_folder(edit: EditId) -> str:
    """Folder of an edit, or of what it gave, within that of its kind: random-3/alpha-0.8."""
    return f"{edit_name(edit)}/alpha-{float(edit.alpha)}"


def samples_file(subject: str) -> str:
    """File of the answers to a subject's problems, in an edit's folder."""
    return f"samples_{subject}.jsonl"


def _drawn(name: str, draw: int | None) -> str:
    return name if draw is None else f"{name}-{draw}"
