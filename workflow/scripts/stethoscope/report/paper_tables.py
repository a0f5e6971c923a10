"""Rows of Table 1 as cells, which findings read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stethoscope.problems.records import SUBJECTS
from stethoscope.report import verdicts
from stethoscope.report.cells import (
    EMPTY,
    FIXED1,
    INTEGER,
    Cell,
)
from stethoscope.report.facts import (
    OURS_ALPHA_CLAIM,
    PUBLISHED_METHOD,
    ROLES,
    Edit,
    Report,
)

SWEPT_Z = ("number_theory", "counting_and_probability", "algebra", "geometry")  # of Table 4
TOP = 10  # configurations in Table 5
OURS_Z_CLAIM, OURS_P_CLAIM = "C03", "C04"
METHODS = tuple(role for role in ROLES if role not in ("other", "control"))


# --- Table 1 -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """A row of Table 1; `spread` has lowest and highest over draws, else None."""

    edit: Edit
    published: Mapping[str, Cell]
    reproduced: Mapping[str, Cell]
    marks: Mapping[str, str]
    published_alpha: Cell
    alpha: tuple[Cell, ...]
    published_sig: Cell
    sig_z: tuple[tuple[Cell, ...], tuple[Cell, ...]]  # gains, losses; lowest and highest for draws
    sig_mcnemar: tuple[tuple[Cell, ...], tuple[Cell, ...]]
    spread: Mapping[str, tuple[Cell, Cell]] | None = None


def methods(report: Report, roles: Sequence[str] = METHODS) -> tuple[Method, ...]:
    """Rows of Table 1: base, full merge, random layers, projections, ours."""
    rows = []
    for role in roles:
        edits = report.of(role)
        if role == "random" and len(edits) > 1:
            rows.append(_draws(report, edits))
        else:
            rows += [_method(report, edit) for edit in edits]
    return tuple(rows)


def _published(report: Report, edit: Edit) -> tuple[dict[str, Cell], Cell, Cell]:
    """Published accuracies, alpha and #Sig of the paper's method with this edit's role."""
    method = PUBLISHED_METHOD.get(edit.role)
    if method is None or report.one(edit.role) != edit:
        return dict.fromkeys(report.subjects, EMPTY), EMPTY, EMPTY
    table, claims = report.source("table1"), report.source("text_claims")
    row = table.only(method=method)
    found = {
        subject: report.cells.number(table, row, f"{SUBJECTS[subject].short}_acc_pct", FIXED1)
        for subject in report.subjects
    }
    claim = {"claim_id": OURS_ALPHA_CLAIM}
    alpha = report.cells.number(claims, claim, "value") if edit.role == "ours" else EMPTY
    return found, alpha, report.cells.number(table, row, "n_sig_of_7", INTEGER)


def _method(report: Report, edit: Edit) -> Method:
    published, alpha, sig = _published(report, edit)
    accuracies = {subject: report.accuracy(edit, subject) for subject in report.subjects}
    marks, sig_z, sig_m = {}, ((EMPTY,), (EMPTY,)), ((EMPTY,), (EMPTY,))
    base = report.one("base")
    if base and edit != base:
        for subject in report.subjects:
            found = report.paired(edit, base, subject)
            marks[subject] = found.direction if found else verdicts.NONE
        sig_z = tuple((cell,) for cell in report.significant(edit, "p_z"))
        sig_m = tuple((cell,) for cell in report.significant(edit, "p_holm"))
    return Method(edit, published, accuracies, marks, alpha, report.alpha(edit), sig, sig_z, sig_m)


def _draws(report: Report, edits: Sequence[Edit]) -> Method:
    by_subject = {s: [report.accuracy(edit, s) for edit in edits] for s in report.subjects}
    alphas = {cell.text: cell for edit in edits for cell in report.alpha(edit)}
    alphas = tuple(sorted(alphas.values(), key=lambda cell: float(cell.value)))
    counts = []
    for column in ("p_z", "p_holm"):
        pairs = zip(*(report.significant(edit, column) for edit in edits), strict=True)
        counts.append(tuple(report.extremes(found, INTEGER) for found in pairs))
    family = Edit(edits[0].family, edits[0].family, "random", edits[0].label)
    return Method(
        edit=family,
        published=dict.fromkeys(report.subjects, EMPTY),
        reproduced={s: report.mean(found) for s, found in by_subject.items()},
        marks={},
        published_alpha=EMPTY,
        alpha=alphas if len(alphas) < 3 else (alphas[0], "–", alphas[-1]),
        published_sig=EMPTY,
        sig_z=counts[0],
        sig_mcnemar=counts[1],
        spread={s: report.extremes(found) for s, found in by_subject.items()},
    )
