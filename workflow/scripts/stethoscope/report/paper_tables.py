"""Tables 1 to 6 of the paper, published beside reproduced, as cells.

Each function takes the `Report` and gives a `Table`, which the page prints and `layout` writes as
TSV and LaTeX. A published cell that the text lost is a dash. The captions are in
report/captions.html.j2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from stethoscope.problems.records import SUBJECTS
from stethoscope.report import verdicts
from stethoscope.report.cells import (
    EMPTY,
    FIXED1,
    FIXED2,
    INTEGER,
    LAYERS,
    PERCENT,
    PERCENT2,
    POINTS,
    PVALUE,
    SIGNED2,
    Cell,
    Source,
)
from stethoscope.report.facts import (
    LAYERS_CLAIM,
    OURS_ALPHA_CLAIM,
    PUBLISHED_METHOD,
    ROLES,
    Edit,
    Report,
)
from stethoscope.report.layout import DOWN, UP, Row, Table, Td, interval, mark, spaced

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


def table1(report: Report) -> Table:
    """Accuracy by subject of the paper's methods and of their controls; z and p of ours."""
    body = [row for method in methods(report) for row in _method_rows(report, method)]
    ours = report.one("ours")
    if ours:
        body.append(_ours_row(report, ours, "z", OURS_Z_CLAIM, "rule"))
        body.append(_ours_row(report, ours, "p", OURS_P_CLAIM, ""))
    return Table(_methods_head(report), tuple(body))


def further_edits(report: Report) -> Table | None:
    """Table 1 of what is neither the paper's nor in the bench of selectors; None without any."""
    found = methods(report, ("other",))
    body = [row for method in found for row in _method_rows(report, method)]
    return Table(_methods_head(report), tuple(body)) if body else None


def _methods_head(report: Report) -> tuple[Row, ...]:
    names = [SUBJECTS[subject].short for subject in report.subjects]
    return (
        Row(
            (Td("Method", "left", rows=2, names="method"), Td("α", "group", 2))
            + tuple(Td(name, "group", 2) for name in names)
            + (Td("#Sig", "group", 3),)
        ),
        Row(
            (Td("pub.", "pub", names="alpha_published"), Td("repr.", names="alpha_reproduced"))
            + tuple(
                td
                for name in names
                for td in (
                    Td("pub.", "pub", names=f"{name}_published_pct"),
                    Td("repr.", names=f"{name}_reproduced_pct"),
                )
            )
            + (Td("pub.", "pub", names="n_sig_published"),)
            + (Td("z", names="n_gain_z n_loss_z"), Td("Holm", names="n_gain_holm n_loss_holm"))
        ),
    )


def _method_rows(report: Report, method: Method) -> list[Row]:
    """The row of a method; of draws their mean, and then the lowest and the highest."""
    if not method.spread:
        css = "ours" if method.edit.role == "ours" else ""
        return [_method_row(report, method, (method.edit.title,), method.reproduced, 0, css)]
    count = report.draw_count(report.of("random"))
    label = (method.edit.title, " ", Markup("<small>(mean of {} draws)</small>").format(count))
    rows = [_method_row(report, method, label, method.reproduced, None, "")]
    for end, word in enumerate(("lowest", "highest")):
        values = {subject: found[end] for subject, found in method.spread.items()}
        label = (method.edit.title, f" ({word})")
        rows.append(_method_row(report, method, label, values, end, "minor"))
    return rows


def _method_row(
    report: Report,
    method: Method,
    label: tuple,
    values: Mapping[str, Cell],
    end: int | None,
    css: str,
) -> Row:
    """end: which of the counts of subjects; None for a mean, which has none."""
    minor = css == "minor"
    cells = [Td(label, "left inset" if minor else "left"), Td(method.published_alpha, "pub")]
    cells.append(Td("" if minor else spaced(method.alpha)))
    for subject in report.subjects:
        cells.append(Td(method.published[subject], "pub"))
        direction = method.marks.get(subject, verdicts.NONE)
        cells.append(Td((values[subject], mark(direction)), "repr"))
    cells.append(Td(method.published_sig, "pub"))
    for counts in (method.sig_z, method.sig_mcnemar):
        cells.append(_counts(EMPTY, EMPTY) if end is None else _counts(*(c[end] for c in counts)))
    return Row(tuple(cells), css)


def _ours_row(report: Report, ours: Edit, column: str, claim: str, css: str) -> Row:
    """z or p of ours against base, as in the last lines of the paper's table."""
    form = {"z": SIGNED2, "p": PVALUE}[column]
    cells = [Td((f"{column}, ours against base",), "left"), Td(), Td()]
    for subject in report.subjects:
        published = EMPTY
        if subject == report.target:
            claims = report.source("text_claims")
            published = report.cells.number(claims, {"claim_id": claim}, "value")
        name = {"z": "z", "p": "p_z"}[column]
        cells += [Td(published, "pub"), Td(report.against_base(ours, subject, name, form), "repr")]
    return Row((*cells, Td(), Td(), Td()), css, apart=True)


# --- Table 3 ------------------------------------------------------------------------


def table3(report: Report) -> Table:
    """Raw task vector against projection: energy kept, effect on the target, z and p."""
    short = SUBJECTS[report.target].short
    head = (
        Row(
            (Td("Method", "left", rows=2, names="method"),)
            + (Td("reproduced as", "left", rows=2, names="edit"), Td("energy kept, %", "group", 4))
            + (Td("norm", rows=2, names="norm_retained_pct"), Td(f"{short}: z", "group", 2))
            + (Td(f"{short}: reproduced", "group", 3), Td("#Sig", "group", 3))
            + (Td(f"{short}: p", "group", 2),)
        ),
        Row(
            (Td("pub.", "pub", names="energy_published_pct"),)
            + (Td("repr.", names="energy_reproduced_pct"), Td("chance", names="chance_pct"))
            + (Td("best", names="oracle_pct"), Td("pub.", "pub", names=f"{short}_z_published"))
            + (Td("repr.", names=f"{short}_z_reproduced"), *_effect_head(short), *_sig_head())
            + (Td("pub.", "pub", names=f"{short}_p_published"),)
            + (Td("repr.", names=f"{short}_p_reproduced"),)
        ),
    )
    table, body = report.source("table3"), []
    for row in range(len(table.rows)):
        edit = report.standing_for(table.rows[row]["method"])
        cells = [*_names(report, table, row, "method", edit)]
        cells.append(_published_cell(report, table, row, "energy_retained_pct"))
        for column in ("energy_retained", "chance", "oracle", "norm_retained"):
            cells.append(Td(_energy(report, edit, column)))
        cells += [_published_cell(report, table, row, "NT_z"), Td(_z(report, edit))]
        cells += [*_effect(report, edit), *_sigs(report, table, row, edit)]
        cells.append(_published_cell(report, table, row, "delta_or_p_NT"))
        p = report.against_base(edit, report.target, "p_z", PVALUE) if edit else EMPTY
        body.append(Row((*cells, Td(p)), _css(edit)))
    return Table(head, tuple(body))


def _names(
    report: Report, table: Source, row: int, column: str, edit: Edit | None
) -> tuple[Td, Td]:
    """The published name of a configuration and the edit that stands for it."""
    return (
        Td(report.cells.number(table, row, column), "left"),
        Td(edit.title if edit else EMPTY, "left"),
    )


def _published_cell(report: Report, table: Source, row: int, column: str, css: str = "pub") -> Td:
    return Td(report.cells.number(table, row, column), css)


def _css(edit: Edit | None) -> str:
    return "ours" if edit and edit.role == "ours" else ""


def _effect_head(short: str) -> tuple[Td, ...]:
    return (
        Td("%", names=f"{short}_accuracy_pct"),
        Td("from base", names=f"{short}_difference_points"),
        Td("95 % interval", names=f"{short}_ci_low {short}_ci_high"),
    )


def _sig_head() -> tuple[Td, ...]:
    return (
        Td("pub.", "pub", names="n_sig_published"),
        Td("z", names="n_gain_z n_loss_z"),
        Td("Holm", names="n_gain_holm n_loss_holm"),
    )


def _layers(report: Report, edit: Edit | None) -> tuple[tuple, tuple]:
    """Number of layers of an edit and which they are; seeds that differ side by side."""
    counts, which = {}, {}
    for seed in report.seeds if edit else ():
        row, energy = report.energy_row(edit, seed), report.source("energy")
        count = report.cells.number(energy, row, "n_layers", INTEGER)
        layers = report.cells.number(energy, row, "layers", LAYERS)
        counts[count.text], which[layers.text] = count, layers
    if not counts:
        return (EMPTY,), (EMPTY,)
    return tuple(_between(counts.values())), tuple(_between(which.values()))


def _between(items: Sequence[Cell]) -> list:
    shown: list = []
    for item in items:
        shown += [" · ", item] if shown else [item]
    return shown


def _alphas(report: Report, edit: Edit | None) -> tuple:
    return spaced(report.alpha(edit)) if edit else (EMPTY,)


def _z(report: Report, edit: Edit | None) -> Cell:
    return report.against_base(edit, report.target, "z") if edit else EMPTY


def _effect(report: Report, edit: Edit | None) -> list[Td]:
    """Accuracy on the target, difference from base, and its interval."""
    paired = report.paired(edit, report.one("base"), report.target) if edit else None
    if paired is None:
        return [Td(EMPTY)] * 3
    return [
        Td(report.accuracy(edit, report.target)),
        Td((paired.difference, mark(paired.direction))),
        Td(interval(paired.low, paired.high)),
    ]


def _sigs(report: Report, table: Source, row: int, edit: Edit | None) -> list[Td]:
    """#Sig: published, by the paper's z, and by McNemar's p after Holm's correction."""
    found = [_published_cell(report, table, row, "sig")]
    for column in ("p_z", "p_holm"):
        found.append(_counts(*(report.significant(edit, column) if edit else (EMPTY, EMPTY))))
    return found


def _counts(gains: Cell, losses: Cell) -> Td:
    if gains is EMPTY:
        return Td(EMPTY, "sig")
    return Td((gains, UP, " ", losses, DOWN), "sig")


def _energy(report: Report, edit: Edit | None, column: str) -> Cell:
    """A share of energy.tsv at the chosen alpha; the mean over seeds."""
    if edit is None:
        return EMPTY
    energy = report.source("energy")
    rows = [report.energy_row(edit, seed) for seed in report.seeds]
    cells = [report.cells.number(energy, row, column, PERCENT2) for row in rows]
    return cells[0] if len(cells) == 1 else report.mean(cells, PERCENT2)


# --- Tables 4 and 5 ------------------------------------------------------------------------


def table4(report: Report) -> Table:
    """The alphas of ours on test problems: accuracy on the target, z of four subjects, #Sig."""
    subjects = [subject for subject in SWEPT_Z if subject in report.subjects]
    names = [SUBJECTS[subject].short for subject in subjects]
    short = SUBJECTS[report.target].short
    head = (
        Row(
            (Td("α", rows=2, names="alpha"), Td("published", "group", 3 + len(names)))
            + (Td("reproduced", "group", 5 + len(names)),)
        ),
        Row(
            (Td("NT, %", "pub", names="NT_published_pct"),)
            + (Td("NT z again", "pub", names="NT_z_recomputed"),)
            + tuple(Td(f"{name} z", "pub", names=f"{name}_z_published") for name in names)
            + (Td("#Sig", "pub", names="n_sig_published"),)
            + (Td(f"{short}, %", names=f"{short}_reproduced_pct"),)
            + (Td("from base", names=f"{short}_difference_points"),)
            + (Td("95 % interval", names=f"{short}_ci_low {short}_ci_high"),)
            + tuple(Td(f"{name} z", names=f"{name}_z_reproduced") for name in names)
            + (Td("#Sig z", names="n_gain_z n_loss_z"), Td("chosen", names="chosen"))
        ),
    )
    table, again = report.source("table4"), report.source("published_sweep")
    sweep, ours = report.optional("sweep"), report.one("ours")
    swept = {float(alpha): rows for alpha, rows in (report.swept(ours) if ours else {}).items()}
    listed = {float(row["alpha"]): index for index, row in enumerate(table.rows)}
    body = []
    for alpha in sorted({*swept, *listed}):
        row, rows = listed.get(alpha), swept.get(alpha, {})
        if row is None:
            cells = [Td(report.cells.number(sweep, rows[report.target], "alpha"))]
            cells += [Td(EMPTY, "pub")] * (3 + len(names))
        else:
            recomputed = report.cells.number(again, {"alpha": alpha}, "z_lmeval", SIGNED2)
            cells = [_published_cell(report, table, row, "alpha", "")]
            cells += [_published_cell(report, table, row, "NT_acc_pct"), Td(recomputed, "pub")]
            cells += [_published_cell(report, table, row, f"{name}_z") for name in names]
            cells.append(_published_cell(report, table, row, "sig"))
        if not rows:
            cells += [Td(EMPTY)] * (4 + len(names)) + [Td()]
        else:
            at = rows[report.target]
            low, high, difference = (
                report.cells.number(sweep, at, column, POINTS)
                for column in ("ci_low", "ci_high", "difference")
            )
            cells += [Td(report.cells.number(sweep, at, "accuracy", PERCENT))]
            arrow = mark(verdicts.direction(low.value, high.value))
            cells += [Td((difference, arrow)), Td(interval(low, high))]
            cells += [Td(report.cells.number(sweep, rows[s], "z", SIGNED2)) for s in subjects]
            cells.append(_counts(*_swept_significant(report, rows)))
            cells.append(Td("●" if _yes(sweep.rows[at]["chosen"]) else ""))
        body.append(Row(tuple(cells)))
    return Table(head, tuple(body))


def _swept_significant(report: Report, rows: Mapping[str, int]) -> tuple[Cell, Cell]:
    found = [rows[subject] for subject in report.subjects]
    columns = ("p_z", "correct", "correct_base")
    return report.counted(report.optional("sweep"), found, columns)


@dataclass(frozen=True)
class Candidate:
    """An edit at one alpha, in the ranking of Table 5."""

    edit: Edit
    alpha: tuple[Cell, ...]
    accuracy: Cell
    z: Cell
    sweep: Mapping[str, int] | None  # rows of sweep.tsv; None at the chosen alpha


def candidates(report: Report) -> list[Candidate]:
    """Every edit that answered test problems, at its chosen alpha and where it was swept.

    Best accuracy on the target first; among equals in the order of the study.
    """
    found, sweep = [], report.optional("sweep")
    for edit in report.edits:
        if edit.role == "base":
            continue
        chosen = report.alpha(edit)
        z = report.against_base(edit, report.target, "z")
        found.append(Candidate(edit, chosen, report.accuracy(edit, report.target), z, None))
        tried = {float(cell.value) for cell in chosen}
        for alpha, rows in report.swept(edit).items():
            if float(alpha) not in tried:
                at = rows[report.target]
                accuracy = report.cells.number(sweep, at, "accuracy", PERCENT)
                z = report.cells.number(sweep, at, "z", SIGNED2)
                cell = report.cells.number(sweep, at, "alpha")
                found.append(Candidate(edit, (cell,), accuracy, z, rows))
    return sorted(found, key=lambda candidate: -candidate.accuracy.value)


def table5(report: Report) -> Table:
    """The published ten best configurations beside this study's ten best."""
    short = SUBJECTS[report.target].short
    head = (
        Row((Td("published", "group", 6), Td("reproduced", "group", 6))),
        Row(
            (Td("rank", "pub", names="rank_published"),)
            + (Td("configuration", "left pub", names="configuration"),)
            + (Td("α", "pub", names="alpha_published"), Td("NT", "pub", names="NT_published"))
            + (Td("#Sig", "pub", names="n_sig_published"),)
            + (Td("note", "left pub", names="note"), Td("rank", names="rank_reproduced"))
            + (Td("edit", "left", names="edit"), Td("α", names="alpha_reproduced"))
            + (Td(f"{short}, %", names=f"{short}_reproduced_pct"),)
            + (Td(f"{short} z", names=f"{short}_z_reproduced"),)
            + (Td("#Sig z", names="n_gain_z n_loss_z"),)
        ),
    )
    table, found = report.source("table5"), candidates(report)
    body = []
    for place in range(max(len(table.rows), min(TOP, len(found)))):
        cells = [Td("", "pub")] * 6
        if place < len(table.rows):
            columns = ("rank", "configuration", "alpha", "NT", "sig", "note")
            cells = [
                _published_cell(report, table, place, name, "left pub" if text else "pub")
                for name, text in zip(columns, (0, 1, 0, 0, 0, 1), strict=True)
            ]
        if place < min(TOP, len(found)):
            one = found[place]
            before = [other.accuracy for other in found[:place]]
            rank = report.cells.derived(
                "rank by accuracy", lambda v: 1 + sum(w > v[0] for w in v[1:]),
                [one.accuracy, *before], INTEGER,
            )  # fmt: skip
            counts = (
                report.significant(one.edit, "p_z")
                if one.sweep is None
                else _swept_significant(report, one.sweep)
            )
            cells += [Td(rank), Td(one.edit.title, "left"), Td(spaced(one.alpha))]
            cells += [Td(one.accuracy), Td(one.z), _counts(*counts)]
        else:
            cells += [Td()] * 6
        body.append(Row(tuple(cells)))
    return Table(head, tuple(body))


# --- Table 6 -------------------------------------------------------------------------------


def table6(report: Report) -> Table:
    """SP by layer, published beside reproduced, in the order of relative depth."""
    table, claims = report.source("table6"), report.source("text_claims")
    specificity = report.source("specificity")
    total = report.cells.number(claims, {"claim_id": LAYERS_CLAIM}, "value")
    last = report.published_layers()[1] - 1
    places: dict[Fraction, dict[str, int]] = {}
    for row, about in enumerate(table.rows):
        places.setdefault(Fraction(int(about["layer"]), last), {})["published"] = row
    sae = report.scored_sae()
    for seed in report.seeds:
        rows = specificity.find(seed=seed, sae=sae, subject=report.target)
        deepest = max(int(specificity.rows[row]["layer"]) for row in rows)
        for row in rows:
            depth = Fraction(int(specificity.rows[row]["layer"]), max(deepest, 1))
            places.setdefault(depth, {})[seed] = row
    several = len(report.seeds) > 1
    views = [(f"seed{seed}_" if several else "", seed) for seed in report.seeds]
    head = (
        Row(
            (Td("depth", rows=2, names="relative_depth"), Td("published", "group", 4))
            + tuple(
                Td(("reproduced, seed ", _seed(report, i)) if several else "reproduced", "group", 4)
                for i in range(len(views))
            )
        ),
        Row(
            tuple(
                Td(word, "pub" if name == "published_" else "", names=f"{name}{column}")
                for name in ("published_", *(name for name, _ in views))
                for word, column in (
                    ("layer", "layer"),
                    ("SP", "sp"),
                    ("#feat", "n_features"),
                    ("sel.", "selected"),
                )
            )
        ),
    )
    body = []
    for place in sorted(places):
        rows = places[place]
        cells = [Td(_depth(report, rows, total))]
        groups = [("published", table, "selected_sp_ge_4", "pub")]
        groups += [(seed, specificity, "selected", "") for seed in report.seeds]
        for view, source, selected, css in groups:
            if view not in rows:
                cells += [Td("", css)] * 4
                continue
            row = rows[view]
            cells.append(Td(report.cells.number(source, row, "layer", INTEGER), css))
            cells.append(Td(report.cells.number(source, row, "sp", FIXED2), css))
            cells.append(Td(report.cells.number(source, row, "n_features", INTEGER), css))
            cells.append(Td("●" if _yes(source.rows[row][selected]) else "", css))
        body.append(Row(tuple(cells)))
    return Table(head, tuple(body))


def _depth(report: Report, rows: Mapping[str, int], total: Cell) -> Cell:
    """0 for the first layer, 1 for the last; from the first view that has a layer there."""
    view = next(iter(rows))
    if view == "published":
        layer = report.cells.number(report.source("table6"), rows[view], "layer", INTEGER)
        return report.cells.derived(
            "layer / last layer",
            lambda v: v[0] / (int(v[1].split("/")[1]) - 1),
            [layer, total],
            FIXED2,
        )
    table = report.source("specificity")
    found = table.find(seed=view, sae=report.scored_sae(), subject=report.target)
    deepest = max(found, key=lambda row: int(table.rows[row]["layer"]))
    cells = [report.cells.number(table, row, "layer", INTEGER) for row in (rows[view], deepest)]
    return report.cells.derived("layer / last layer", lambda v: v[0] / max(v[1], 1), cells, FIXED2)


def _seed(report: Report, index: int) -> Cell:
    return report.cells.pointer(report.source("study"), f"/seeds/{index}")


def _yes(written: str) -> bool:
    return written.strip().lower() in ("1", "1.0", "true")


TABLES = {
    "table1": table1, "table3": table3, "table4": table4, "table5": table5,
    "table6": table6,
}  # fmt: skip
