"""The report's bench of layer selectors: one task vector, one number of layers, many selectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from stethoscope.problems.records import SUBJECTS
from stethoscope.report import verdicts
from stethoscope.report.cells import EMPTY, FIXED2, FIXED3, INTEGER, LAYERS, Cell
from stethoscope.report.facts import OTHERS, Edit, Paired, Report
from stethoscope.report.layout import DOWN, UNMARKED, UP, Row, Table, Td


@dataclass(frozen=True)
class Bench:
    """Raw edits of the task vector that ours adds; random layers are grouped by their draws.

    rivals: other selectors with as many layers as ours. twins: random layers, as many as ours.
    unequal: with another number of layers, one after the other, the draws of one together.
    scaled: the full merge at an alpha that is given instead of chosen, None without one.
    """

    ours: Edit
    rivals: tuple[Edit, ...]
    twins: tuple[tuple[Edit, ...], ...]
    unequal: tuple[tuple[Edit, ...], ...]
    scaled: Edit | None


def bench(report: Report) -> Bench | None:
    """The study's bench; None without an edit of ours or with nothing to compare it with."""
    ours = report.one("ours")
    if ours is None:
        return None
    study = report.source("study").document
    vectors = study["edits"][ours.family]["vectors"]
    families: dict[str, list[Edit]] = {}
    for edit in report.edits:
        about = study["edits"].get(edit.family)
        if not about or about.get("transform", "raw") != "raw" or about["vectors"] != vectors:
            continue
        if "search" not in about:  # an alpha a layer is no selection of layers
            families.setdefault(edit.family, []).append(edit)
    sizes = _sizes(report, ours)
    equal = [edits for edits in families.values() if _sizes(report, edits[0]) == sizes]
    unequal = [edits for edits in families.values() if edits not in equal]
    twins = [edits for edits in equal if selector(report, edits[0]) == "random"]
    rivals = [edit for edits in equal if edits not in twins for edit in edits if edit != ours]
    scaled = [
        edits[0]
        for edits in unequal
        if edits[0].role == "control" and selector(report, edits[0]) == "all"
    ]
    if not (rivals or twins or unequal):
        return None
    return Bench(
        ours, tuple(rivals), tuple(map(tuple, twins)), tuple(map(tuple, unequal)),
        next(iter(scaled), None),
    )  # fmt: skip


def bench_table(report: Report) -> Table | None:
    """Each selector's layers, score and edit, and its place among the random draws; or None."""
    found = bench(report)
    if found is None:
        return None
    short = SUBJECTS[report.target].short
    head = (
        Row(
            (Td("Layers", "left", rows=2), Td("selected", "group", 2))
            + (Td("ρ of the score with", "group", 2),)
            + (Td(f"{short} (the target), %", "group", 3), Td("other subjects, %", "group", 3))
            + (Td(f"ours minus this, {short}", "group", 2),)
            + tuple(Td(_family(draws[0]), "group", 2) for draws in found.twins)
        ),
        Row(
            (Td("which", "left"), Td("shared"), Td("SP"), Td("depth"))
            + (Td("accuracy"), Td("from base"), Td("95 % interval")) * 2
            + (Td("difference"), Td("95 % interval"))
            + (Td("as good"), Td("rank p")) * len(found.twins)
        ),
    )
    width = 13 + 2 * len(found.twins)
    body = [Row((Td("as many layers as ours", "left group", width),), "rule")]
    body.append(_row(report, found, found.ours, "ours"))
    body += [_row(report, found, edit) for edit in found.rivals]
    body += [_draws_row(report, draws, width) for draws in found.twins]
    if found.unequal:
        body.append(Row((Td("another number of layers", "left group", width),), "rule"))
        for edits in found.unequal:
            several = len(edits) > 1
            body.append(
                _draws_row(report, edits, width) if several else _row(report, found, edits[0])
            )
    return Table(head, tuple(body))


def rank(report: Report, edit: Edit, draws: Sequence[Edit]) -> tuple[Cell, Cell]:
    """Number of draws at least as good as an edit on the target, and its rank p among them."""
    values = [report.accuracy(one, report.target) for one in (edit, *draws)]
    count = report.cells.derived(
        "draws at least as good", lambda v: sum(w >= v[0] for w in v[1:]), values, INTEGER
    )
    p = report.cells.derived("rank p", lambda v: verdicts.rank_p(v[0], v[1:]), values, FIXED3)
    return count, p


def same_layers(report: Report, edits: Sequence[Edit]) -> Cell:
    """How many of some edits change the very layers that ours changes, in every seed."""
    table, parents = report.source("selectors"), []
    for edit in edits:
        for seed in report.seeds:
            row = table.only(**_selected(report, edit, seed))
            parents.append(report.cells.number(table, row, "shared_with_ours", INTEGER))
            parents.append(report.cells.number(table, row, "n_layers", INTEGER))
    width = 2 * len(report.seeds)

    def count(v: Sequence[float]) -> int:
        groups = (v[start : start + width] for start in range(0, len(v), width))
        return sum(group[0::2] == group[1::2] for group in groups)

    return report.cells.derived("selections that ours shares whole", count, parents, INTEGER)


def _row(report: Report, found: Bench, edit: Edit, css: str = "") -> Row:
    base, table = report.one("base"), report.source("selectors")
    rows = [table.only(**_selected(report, edit, seed)) for seed in report.seeds]

    def overall(column: str, form) -> Cell:
        cells = [report.cells.number(table, row, column, form) for row in rows]
        return cells[0] if len(cells) == 1 else report.mean(cells, form)

    which: list = []
    for row in rows:
        which += [" · ", report.cells.number(table, row, "layers", LAYERS)]
    cells = [Td(edit.title, "left inset"), Td(tuple(which[1:]), "left")]
    cells.append(Td(overall("shared_with_ours", FIXED2 if len(rows) > 1 else INTEGER)))
    cells += [Td(overall("rho_ours", FIXED2)), Td(overall("rho_depth", FIXED2))]
    for subject in (report.target, OTHERS):
        cells.append(Td(report.accuracy(edit, subject)))
        cells += _difference(report.paired(edit, base, subject) if base else None)
    itself = edit == found.ours
    cells += _difference(None if itself else report.paired(found.ours, edit, report.target))
    ranked = edit == found.ours or edit in found.rivals
    own = _layers(report, edit)
    for draws in found.twins:
        others = [draw for draw in draws if _layers(report, draw) != own]
        place = rank(report, edit, others) if ranked and others else (EMPTY, EMPTY)
        cells += [Td(cell) for cell in place]
    return Row(tuple(cells), css)


def _draws_row(report: Report, draws: Sequence[Edit], width: int) -> Row:
    """Mean over draws of random layers, with the lowest and the highest."""
    cells = [Td(_family(draws[0]), "left inset")]
    cells.append(Td((report.draw_count(draws), " draws; mean, lowest–highest"), "left", 4))
    for subject in (report.target, OTHERS):
        found = [report.accuracy(draw, subject) for draw in draws]
        low, high = report.extremes(found)
        cells += [Td(report.mean(found)), Td((low, "–", high), "", 2)]
    cells.append(Td("", "", width - sum(cell.span for cell in cells)))
    return Row(tuple(cells), "minor")


def _difference(paired: Paired | None) -> list[Td]:
    if paired is None:
        return [Td(EMPTY), Td(EMPTY)]
    mark = {verdicts.ABOVE: UP, verdicts.BELOW: DOWN}.get(paired.direction, UNMARKED)
    return [Td((paired.difference, mark)), Td(("[", paired.low, ", ", paired.high, "]"))]


def _family(edit: Edit) -> Markup:
    return Markup('<span class="name">{}</span>').format(edit.label)


def _selection(report: Report, edit: Edit) -> tuple[str, Mapping]:
    """Name and settings of the configured selection of an edit."""
    study = report.source("study").document
    name = study["edits"][edit.family]["selection"]
    return name, study["selections"][name]


def selector(report: Report, edit: Edit) -> str:
    """How the layers of an edit were picked: `by` of its selection."""
    return _selection(report, edit)[1]["by"]


def _selected(report: Report, edit: Edit, seed: str) -> dict[str, str]:
    """Which row of selectors.tsv describes the layers of an edit."""
    name, _ = _selection(report, edit)
    return {"seed": seed, "selection": f"{name}-{edit.draw}" if edit.draw else name}


def _sizes(report: Report, edit: Edit) -> list[int]:
    """Number of layers of an edit, seed by seed."""
    return [int(row["n_layers"]) for row in _described(report, edit)]


def _layers(report: Report, edit: Edit) -> list[str]:
    """The layers of an edit, seed by seed."""
    return [row["layers"] for row in _described(report, edit)]


def _described(report: Report, edit: Edit) -> list[Mapping[str, str]]:
    """The rows of selectors.tsv on an edit, seed by seed."""
    table = report.source("selectors")
    return [table.rows[table.only(**_selected(report, edit, seed))] for seed in report.seeds]
