"""The report's own tables (R1 to R10), as cells.

Each function takes the `Report` and gives a `Table` that the page prints. The captions are in
report/report.html.j2; the paper's Tables 1 to 6 are in `paper_tables`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.cells import (
    EMPTY,
    FIXED1,
    FIXED2,
    FIXED3,
    INTEGER,
    LAYERS,
    PERCENT,
    PERCENT2,
    PVALUE,
    RAW,
    SIGNED2,
)
from stethoscope.report.facts import ALL, OTHERS, SIGNIFICANT, Edit, Report
from stethoscope.report.layout import DOWN, UNMARKED, UP, Row, Table, Td, interval, mark, spaced

# Words for a projection's settings, as the page prints them.
BASES = {
    "sae": "specific features",
    "complement": "all but specific features",
    "frequent": "most frequent features",
    "random_features": "random features",
    "random": "random",
    "oracle": "best (SVD)",
}
READINGS = {
    "both": "both",
    "writers_only": "writers only",
    "norm_aware": "behind norms",
    "unnormalized": "not orthonormal",
}


def comparisons_table(report: Report) -> Table:
    """Paired differences on the target and on the other subjects."""
    short = SUBJECTS[report.target].short
    head = (
        Row(
            (Td("Edit", "left", rows=2), Td(f"{short} (the target)", "group", 6))
            + (Td("other subjects", "group", 3),)
        ),
        Row(
            (Td("difference"), Td("95 % interval"), Td("right only here"))
            + (Td("only there"), Td("p"), Td("p Holm"))
            + (Td("difference"), Td("95 % interval"), Td("p"))
        ),
    )
    body: list[Row] = []
    for heading, pairs in _comparisons_shown(report):
        rows = [_comparison(report, *pair) for pair in pairs]
        rows = [row for row in rows if row]
        if rows:
            body += [Row((Td(heading, "left group", 10),), "rule"), *rows]
    return Table(head, tuple(body))


def _comparisons_shown(report: Report) -> Iterator[tuple[Any, list[tuple[Edit, Edit, Markup]]]]:
    """Heading, and (edit, reference, label of the row) of each comparison that is shown."""
    against = Markup("against {}").format
    edited = [edit for edit in report.edits if edit.role not in ("base", "control")]
    for base in report.of("base"):
        yield against(base.title), [(edit, base, edit.title) for edit in edited]
    ours, matched = report.of("ours"), report.of("projection_matched")
    for role, edits in (("full", ours), ("projection", (*ours, *matched))):
        for reference in report.of(role):
            yield against(reference.title), [(edit, reference, edit.title) for edit in edits]
    for edit in ours:
        pairs = [(edit, draw, against(draw.title)) for draw in report.of("random")]
        yield edit.title, pairs


def _comparison(report: Report, edit: Edit, reference: Edit, label: Markup) -> Row | None:
    target = report.paired(edit, reference, report.target)
    others = report.paired(edit, reference, OTHERS)
    if target is None or others is None:
        return None
    return Row(
        (Td(label, "left inset"), Td((target.difference, mark(target.direction))))
        + (Td(interval(target.low, target.high)), Td(target.gained), Td(target.lost), Td(target.p))
        + (Td(target.holm), Td((others.difference, mark(others.direction))))
        + (Td(interval(others.low, others.high)), Td(others.p)),
        "minor" if edit.draw or reference.draw else "",
    )


def alphas_table(report: Report) -> Table:
    """Validation accuracy over the grid of each edit; the chosen alpha is marked."""
    table = report.source("alphas")
    edits = [edit for edit in report.edits if edit.role != "base"]
    values = {
        cell.text: cell
        for edit in edits
        for row in table.find(edit=edit.name)
        for cell in (report.cells.number(table, row, "alpha"),)
    }
    columns = sorted(values.values(), key=lambda cell: float(cell.value))
    head = (Row((Td("Edit", "left"), *_seed_head(report), *(Td(cell) for cell in columns))),)
    body = []
    for edit in edits:
        for index, seed in enumerate(report.seeds):
            row = [Td(edit.title if index == 0 else "", "left"), *_seed_cell(report, index)]
            for column in columns:
                found = table.find(edit=edit.name, seed=seed, alpha=column.text)
                if not found:
                    row.append(Td())
                    continue
                cell = report.cells.number(table, found[0], "accuracy", PERCENT)
                chosen = _same_number(table.rows[found[0]]["chosen"], 1)
                row.append(Td(cell, "chosen" if chosen else ""))
            body.append(Row(tuple(row), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def energy_table(report: Report) -> Table:
    """Energy of each edit at its chosen alpha, intended and as it lands in the weights."""
    head = (
        Row(
            (Td("Edit", "left", rows=2), *(Td(t.content, "", 1, 2) for t in _seed_head(report)))
            + (Td("α", rows=2), Td("kept, %", "group", 4))
            + (Td("landed in fp32", "group", 3), Td("landed in bf16", "group", 3))
        ),
        Row(
            (Td("energy"), Td("norm"), Td("chance k/d"), Td("oracle"))
            + (Td("energy"), Td("cosine"), Td("unchanged, %")) * 2
        ),
    )
    body = []
    for edit in report.edits:
        for index, seed in enumerate(report.seeds):
            row = report.energy_row(edit, seed)
            if row is None:
                continue

            def get(column: str, form, row: int = row) -> Td:
                return Td(report.cells.number(report.source("energy"), row, column, form))

            cells = [Td(edit.title if index == 0 else "", "left"), *_seed_cell(report, index)]
            cells += [get("alpha", RAW)]
            cells += [get("energy_retained", PERCENT2), get("norm_retained", PERCENT2)]
            cells += [get("chance", PERCENT2), get("oracle", PERCENT2)]
            for kind in ("fp32", "bf16"):
                cells.append(get(f"landed_energy_{kind}", FIXED3))
                cells.append(get(f"landed_cosine_{kind}", FIXED3))
                cells.append(get(f"unchanged_{kind}", PERCENT2))
            body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def projections_table(report: Report) -> Table:
    """Every projection beside chance and the best: energy, effect on the target, and in bf16."""
    base, short = report.one("base"), SUBJECTS[report.target].short
    head = (
        Row(
            (Td("Edit", "left", rows=2), Td("directions", "left", rows=2))
            + (Td("reading", "left", rows=2), Td("rank", rows=2))
            + tuple(Td(td.content, "", 1, 2) for td in _seed_head(report))
            + (Td("α", rows=2), Td("kept, %", "group", 4), Td("alignment", rows=2))
            + (Td(f"{short}: effect", "group", 2), Td("landed in bf16", "group", 2))
        ),
        Row(
            (Td("energy"), Td("norm"), Td("chance"), Td("oracle"))
            + (Td("difference"), Td("95 % interval"), Td("energy"), Td("outside, %"))
        ),
    )
    body = []
    for edit, settings in report.projections():
        how = settings["projection"]
        rank = report.cells.pointer(
            report.source("study"), f"/edits/{edit.family}/projection/rank", INTEGER
        )
        directions = BASES[how.get("basis", "sae")]
        if settings["transform"] == "raw_matched":
            directions = f"all; norm as {directions}"
        paired = report.paired(edit, base, report.target) if base else None
        for index, seed in enumerate(report.seeds):
            row = report.energy_row(edit, seed)

            def get(column: str, form, row: int = row) -> Td:
                return Td(report.cells.number(report.source("energy"), row, column, form))

            cells = [Td(), Td(), Td(), Td()]
            if index == 0:
                cells = [Td(edit.title, "left"), Td(directions, "left")]
                cells += [Td(READINGS[how.get("reading", "both")], "left"), Td(rank)]
            cells += [*_seed_cell(report, index), get("alpha", RAW)]
            cells += [get("energy_retained", PERCENT2), get("norm_retained", PERCENT2)]
            cells += [get("chance", PERCENT2), get("oracle", PERCENT2), get("alignment", FIXED3)]
            if index == 0 and paired:
                cells.append(Td((paired.difference, mark(paired.direction))))
                cells.append(Td(interval(paired.low, paired.high)))
            else:
                cells += [Td(EMPTY if index == 0 else ""), Td(EMPTY if index == 0 else "")]
            cells += [get("landed_energy_bf16", FIXED3), get("outside_bf16", PERCENT2)]
            body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def layers_table(report: Report) -> Table:
    """SP of the target and quality of the SAE, layer by layer."""
    table, saes = report.source("specificity"), report.source("saes")
    head = (
        Row(
            (*_seed_head(report), Td("SAE", "left"), Td("layer"), Td("SP"), Td("feature"))
            + (Td("specific features"), Td("SP smoothed"), Td("selected"))
            + (Td("explained variance"), Td("L0"), Td("dead share, %"))
        ),
    )
    body = []
    for index, seed in enumerate(report.seeds):
        rows = table.find(seed=seed, subject=report.target)
        for order, row in enumerate(rows):
            about = table.rows[row]

            def get(column: str, form, row: int = row) -> Td:
                return Td(report.cells.number(table, row, column, form))

            quality = saes.only(seed=seed, sae=about["sae"], layer=about["layer"])
            chosen = _same_number(about["selected"], 1)
            cells = [*_seed_cell(report, index)]
            cells += [Td(Markup('<span class="name">{}</span>').format(about["sae"]), "left")]
            cells += [get("layer", INTEGER), get("sp", FIXED2), get("feature", INTEGER)]
            cells += [get("n_features", INTEGER), get("sp_smooth", FIXED2)]
            cells += [Td("●" if chosen else "")]
            for column, form in (
                ("explained_variance", FIXED3),
                ("l0", FIXED1),
                ("dead_share", PERCENT),
            ):
                cells.append(Td(report.cells.number(saes, quality, column, form)))
            css = "chosen-row" if chosen else ""
            body.append(Row(tuple(cells), css + (" rule" if index and not order else "")))
    return Table(head, tuple(body))


def outputs_table(report: Report) -> Table:
    """Length, truncation and parsing of the answers, all subjects together."""
    table = report.source("accuracy")
    head = (
        Row(
            (Td("Edit", "left"), *_seed_head(report), Td("accuracy, %"), Td("problems"))
            + (Td("truncated"), Td("without an answer"), Td("mean tokens"))
        ),
    )
    body = []
    for edit in report.edits:
        for index, seed in enumerate(report.seeds):
            row = table.only(seed=seed, edit=edit.name, subject=ALL)
            cells = [Td(edit.title if index == 0 else "", "left"), *_seed_cell(report, index)]
            for column, form in (
                ("accuracy", PERCENT),
                ("n", INTEGER),
                ("truncated", INTEGER),
                ("unparsed", INTEGER),
                ("mean_tokens", FIXED1),
            ):
                cells.append(Td(report.cells.number(table, row, column, form)))
            body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def recomputed_table(report: Report) -> Table:
    """z of the published Table 1, recomputed from its percentages."""
    table = report.source("published_table1")
    names = [SUBJECTS[subject].short for subject in report.subjects]
    head = (
        Row((Td("Published method", "left"), *(Td(n) for n in names), Td("p < .05"), Td("Holm"))),
    )
    body = []
    for method in table.values("method"):
        cells = [Td(Markup('<span class="name">{}</span>').format(method), "left")]
        plain, corrected = [], []
        for name in names:
            row = table.only(method=method, subject=name)
            z = report.cells.number(table, row, "z_lmeval", SIGNED2)
            p = report.cells.number(table, row, "p_lmeval", PVALUE)
            plain += [p, z]
            corrected += [report.cells.number(table, row, "p_holm", PVALUE), z]
            small = p.value is not None and p.value < SIGNIFICANT
            arrow = (UP if z.value > 0 else DOWN) if small else UNMARKED
            impossible = table.rows[row]["grim_possible"].lower() in ("false", "0")
            cells.append(Td((z, arrow, "†" if impossible else "")))
        for parents in (plain, corrected):
            cells.append(
                Td(
                    report.cells.derived(
                        "subjects with gain, p < .05",
                        lambda v: sum(
                            p < SIGNIFICANT and z > 0 for p, z in zip(v[0::2], v[1::2], strict=True)
                        ),
                        parents,
                        INTEGER,
                    )
                )
            )
        body.append(Row(tuple(cells)))
    return Table(head, tuple(body))


def seeds_table(report: Report) -> Table | None:
    """Difference from base on the target and on the others, seed by seed; None with one."""
    base = report.one("base")
    if len(report.seeds) == 1 or base is None:
        return None
    head = (
        Row(
            (Td("Edit", "left", rows=2),)
            + tuple(
                Td(
                    ("seed", " ", report.cells.pointer(report.source("study"), f"/seeds/{i}")),
                    "group",
                    2,
                )
                for i in range(len(report.seeds))
            )
        ),
        Row((Td(SUBJECTS[report.target].short), Td("others")) * len(report.seeds)),
    )
    body = []
    for edit in report.edits:
        if edit.role == "base":
            continue
        cells = [Td(edit.title, "left")]
        for seed in report.seeds:
            for subject in (report.target, OTHERS):
                found = report.paired(edit, base, subject, seed)
                cells.append(Td((found.difference, mark(found.direction)) if found else EMPTY))
        body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def run_table(report: Report) -> Table:
    """The edits that were made: label, layers and alpha."""
    head = (
        Row((Td("Edit", "left"), *_seed_head(report), Td("layers"), Td("which", "left"), Td("α"))),
    )
    body = []
    for edit in report.edits:
        for index, seed in enumerate(report.seeds):
            row = report.energy_row(edit, seed)
            cells = [Td(edit.title if index == 0 else "", "left"), *_seed_cell(report, index)]
            if row is None:
                cells += [Td(EMPTY), Td(EMPTY, "left"), Td(EMPTY)]
            else:
                energy = report.source("energy")
                cells.append(Td(report.cells.number(energy, row, "n_layers", INTEGER)))
                cells.append(Td(report.cells.number(energy, row, "layers", LAYERS), "left"))
                cells.append(Td(spaced(report.alpha(edit, seed))))
            body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def problems_table(report: Report) -> Table:
    """Test problems and base accuracy by subject, for each seed."""
    names = [SUBJECTS[subject].short for subject in report.subjects]
    head = (Row((Td("", "left"), *(Td(name) for name in names), Td("all"))),)
    subjects = (*report.subjects, ALL)
    rows = [Row((Td("test problems", "left"), *(Td(report.problems(s)) for s in subjects)))]
    base = report.one("base")
    for index, seed in enumerate(report.seeds if base else ()):
        label = ("base accuracy, %",)
        if len(report.seeds) > 1:
            seed_cell = report.cells.pointer(report.source("study"), f"/seeds/{index}")
            label = ("base accuracy, %, seed", " ", seed_cell)
        cells = (Td(report.accuracy(base, s, seed)) for s in subjects)
        rows.append(Row((Td(label, "left"), *cells)))
    return Table(head, tuple(rows))


def assumptions_table(report: Report) -> Table:
    """Values that the paper does not state, each with the study's reason."""
    study = report.source("study")
    head = (Row((Td("Setting", "left"), Td("value", "left"), Td("reason", "left"))),)
    body = []
    for index, item in enumerate(study.document.get("assumptions", ())):
        value = report.cells.pointer(study, f"/assumptions/{index}/value")
        key = Markup("<code>{}</code>").format(item["key"])
        reason = Markup('<span class="name">{}</span>').format(item["reason"])
        body.append(Row((Td(key, "left"), Td(value, "left"), Td(reason, "left wide"))))
    return Table(head, tuple(body))


def _seed_head(report: Report) -> tuple[Td, ...]:
    return (Td("seed"),) if len(report.seeds) > 1 else ()


def _seed_cell(report: Report, index: int) -> tuple[Td, ...]:
    if len(report.seeds) == 1:
        return ()
    return (Td(report.cells.pointer(report.source("study"), f"/seeds/{index}")),)


def _same_number(written: str, wanted: float) -> bool:
    try:
        return float(written) == wanted
    except ValueError:
        return written.strip().lower() == "true" and wanted == 1
