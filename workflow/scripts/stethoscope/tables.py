"""The report's tables, as cells: Table 1 with published beside reproduced, and the others.

Each function takes the `Report` and gives a `Table` that the page prints; Table 1 is also written
as TSV and as LaTeX. The captions are in report/report.html.j2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from stethoscope import verdicts
from stethoscope.cells import (
    EMPTY,
    FIXED1,
    FIXED2,
    FIXED3,
    INTEGER,
    PERCENT,
    PERCENT2,
    PVALUE,
    RAW,
    SIGNED2,
    Cell,
)
from stethoscope.data import SUBJECTS
from stethoscope.facts import (
    ALL,
    OTHERS,
    OURS_ALPHA_CLAIM,
    PUBLISHED_METHOD,
    ROLES,
    SIGNIFICANT,
    Edit,
    Paired,
    Report,
)

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
UP, DOWN = Markup('<span class="up">↑</span>'), Markup('<span class="down">↓</span>')
UNMARKED = Markup('<span class="up"></span>')  # keeps the digits above one another


@dataclass(frozen=True)
class Td:
    """A table cell: one thing, or several side by side, with a CSS class and a span."""

    content: Any = ""
    css: str = ""
    span: int = 1
    rows: int = 1

    @property
    def parts(self) -> tuple:
        """What to print, always as a tuple."""
        return self.content if isinstance(self.content, tuple) else (self.content,)


@dataclass(frozen=True)
class Row:
    """A row of a table; css `rule` draws a line above it, `minor` prints it smaller."""

    cells: tuple[Td, ...]
    css: str = ""


@dataclass(frozen=True)
class Table:
    """Header rows and body rows."""

    head: tuple[Row, ...]
    body: tuple[Row, ...]


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


def methods(report: Report) -> tuple[Method, ...]:
    """Rows of Table 1: base, full merge, random layers, projections, ours, others.

    Controls stand in the bench of layer selectors.
    """
    rows = []
    for role in ROLES:
        if role == "control":
            continue
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
    """Table 1 with published and reproduced accuracy side by side."""
    names = [SUBJECTS[subject].short for subject in report.subjects]
    head = (
        Row(
            (Td("Method", "left", rows=2), Td("α", "group", 2))
            + tuple(Td(name, "group", 2) for name in names)
            + (Td("#Sig", "group", 3),)
        ),
        Row(
            (Td("pub.", "pub"), Td("repr.")) * (1 + len(names))
            + (Td("pub.", "pub"), Td("z"), Td("Holm"))
        ),
    )
    return Table(head, tuple(_table1_row(report, method) for method in methods(report)))


def _table1_row(report: Report, method: Method) -> Row:
    label = (method.edit.title,)
    if method.spread:
        count = report.draw_count(report.of("random"))
        label += (Markup("<small>mean of {} draws; lowest–highest</small>").format(count),)
    cells = [Td(label, "left"), Td(method.published_alpha, "pub"), Td(_spaced(method.alpha))]
    for subject in report.subjects:
        cells.append(Td(method.published[subject], "pub"))
        mark = {verdicts.ABOVE: UP, verdicts.BELOW: DOWN}.get(method.marks.get(subject))
        parts = (method.reproduced[subject], mark or UNMARKED)
        if method.spread:
            low, high = method.spread[subject]
            parts += (Markup("<small>{}–{}</small>").format(low, high),)
        cells.append(Td(parts, "repr"))
    cells.append(Td(method.published_sig, "pub"))
    for gains, losses in (method.sig_z, method.sig_mcnemar):
        if EMPTY in gains:
            cells.append(Td(EMPTY, "sig"))
        else:
            cells.append(Td((*_range(gains), UP, " ", *_range(losses), DOWN), "sig"))
    return Row(tuple(cells), "ours" if method.edit.role == "ours" else "")


def table1_tsv(report: Report) -> str:
    """Table 1 as printed: a row a method, and for draws also the lowest and highest."""
    names = [SUBJECTS[subject].short for subject in report.subjects]
    header = ["method", "statistic", "alpha_published", "alpha"]
    header += [f"{name}_{which}_pct" for name in names for which in ("published", "reproduced")]
    header += ["n_sig_published"]
    header += [f"n_{what}_{test}" for test in ("z", "holm") for what in ("gain", "loss")]
    lines = [header]
    for method in methods(report):
        counts = (*method.sig_z, *method.sig_mcnemar)
        which = ("mean", "lowest", "highest") if method.spread else ("value",)
        for index, statistic in enumerate(which):
            line = [method.edit.label, statistic, method.published_alpha]
            line.append("".join(_plain(part) for part in _spaced(method.alpha)))
            for subject in report.subjects:
                shown = method.reproduced[subject]
                if index:
                    shown = method.spread[subject][index - 1]
                line += [method.published[subject], shown]
            line.append(method.published_sig)
            if len(which) > 1:
                counted = [EMPTY if index == 0 else found[index - 1] for found in counts]
            else:
                counted = [found[0] for found in counts]
            lines.append([*line, *counted])
    return "".join("\t".join(_plain(value) for value in line) + "\n" for line in lines)


def table1_tex(report: Report) -> str:
    """Table 1 as a LaTeX table (packages booktabs and graphicx)."""
    names = [SUBJECTS[subject].short for subject in report.subjects]
    groups = ["$\\alpha$", *names]
    heads = " & ".join(f"\\multicolumn{{2}}{{c}}{{{name}}}" for name in groups)
    rules = " ".join(f"\\cmidrule(lr){{{2 * i}-{2 * i + 1}}}" for i in range(1, len(groups) + 1))
    last = 2 * len(groups) + 2
    lines = [
        "\\begin{table*}",
        "\\caption{" + escape_tex(table1_caption(report)) + "}",
        "\\label{tab:main}",
        "\\resizebox{\\linewidth}{!}{%",
        "\\begin{tabular}{l" + "rr" * len(groups) + "rcc}",
        "\\toprule",
        f"Method & {heads} & \\multicolumn{{3}}{{c}}{{\\#Sig}} \\\\",
        f"{rules} \\cmidrule(lr){{{last}-{last + 2}}}",
        " & " + " & ".join(["pub.", "repr."] * len(groups)) + " & pub. & $z$ & Holm \\\\",
        "\\midrule",
    ]
    arrows = {verdicts.ABOVE: "$^{\\uparrow}$", verdicts.BELOW: "$^{\\downarrow}$"}
    for method in methods(report):
        about = " (mean of draws)" if method.spread else ""
        line = [escape_tex(method.edit.label + about), escape_tex(method.published_alpha)]
        line.append(escape_tex("".join(map(str, _spaced(method.alpha)))))
        for subject in report.subjects:
            mark = arrows.get(method.marks.get(subject, ""), "")
            line.append(escape_tex(method.published[subject]))
            line.append(escape_tex(method.reproduced[subject]) + mark)
        line.append(escape_tex(method.published_sig))
        for gains, losses in (method.sig_z, method.sig_mcnemar):
            if EMPTY in gains:
                line.append("---")
            else:
                up, down = ("".join(map(str, _range(found))) for found in (gains, losses))
                line.append(escape_tex(up) + "$\\uparrow$ " + escape_tex(down) + "$\\downarrow$")
        lines.append(" & ".join(line) + " \\\\")
        if method.spread:
            line = ["\\quad lowest to highest draw", "", ""]
            for subject in report.subjects:
                low, high = method.spread[subject]
                line += ["", escape_tex(f"{low}–{high}")]
            lines.append(" & ".join([*line, "", "", ""]) + " \\\\")
    lines += ["\\bottomrule", "\\end{tabular}}", "\\end{table*}"]
    return "\n".join(lines) + "\n"


def table1_caption(report: Report) -> str:
    """Caption of the LaTeX table; the page has its own, longer one."""
    seeds = "1 seed" if len(report.seeds) == 1 else f"{len(report.seeds)} seeds, pooled"
    return (
        f"Accuracy (%) by subject, published (pub.) beside reproduced (repr.): {report.title}; "
        f"n = {seeds}. The published numbers are of Gemma-3-4B-IT, the reproduced ones of this "
        "study's own model and problems: absolute numbers are not comparable, only signs and "
        "order. Arrows: paired 95 % interval against base excludes zero. #Sig: subjects with a "
        "significant gain (up) or loss (down), by the paper's z at .05 and by exact McNemar "
        "with Holm's correction."
    )


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
        (Td(label, "left inset"), Td((target.difference, _mark(target.direction))))
        + (Td(_interval(target)), Td(target.gained), Td(target.lost), Td(target.p))
        + (Td(target.holm), Td((others.difference, _mark(others.direction))))
        + (Td(_interval(others)), Td(others.p)),
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
                cells.append(Td((paired.difference, _mark(paired.direction))))
                cells.append(Td(_interval(paired)))
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
            mark = (UP if z.value > 0 else DOWN) if small else _mark(verdicts.NONE)
            impossible = table.rows[row]["grim_possible"].lower() in ("false", "0")
            cells.append(Td((z, mark, "†" if impossible else "")))
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
                cells.append(Td((found.difference, _mark(found.direction)) if found else EMPTY))
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
                cells.append(Td(report.cells.number(energy, row, "layers"), "left"))
                cells.append(Td(_spaced(report.alpha(edit, seed))))
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


def escape_tex(value: object) -> str:
    """Text that LaTeX prints as it is."""
    special = {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
        "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "−": "$-$", "—": "---", "–": "--", "α": r"$\alpha$", "∞": r"$\infty$", "<": "$<$",
        ">": "$>$",
    }  # fmt: skip
    return "".join(special.get(character, character) for character in str(value))


def _mark(direction: str) -> Markup:
    return {verdicts.ABOVE: UP, verdicts.BELOW: DOWN}.get(direction, UNMARKED)


def _interval(paired: Paired) -> tuple:
    return ("[", paired.low, ", ", paired.high, "]")


def _range(found: Sequence[Cell]) -> tuple:
    """One number, or lowest–highest where they differ."""
    return (found[0],) if found[0].text == found[-1].text else (found[0], "–", found[-1])


def _spaced(alphas: Sequence[Cell | str]) -> tuple:
    """Cells with a space between them; a dash between two stays tight."""
    shown: list = []
    for item in alphas:
        if shown and item != "–" and shown[-1] != "–":
            shown.append(" ")
        shown.append(item)
    return tuple(shown)


def _plain(value: object) -> str:
    """A TSV field: plain minus, nothing for an empty cell, no tab or line break."""
    if isinstance(value, Cell) and value.value is None:
        return ""
    return re.sub(r"\s+", " ", str(value).replace("−", "-"))


def _same_number(written: str, wanted: float) -> bool:
    try:
        return float(written) == wanted
    except ValueError:
        return written.strip().lower() == "true" and wanted == 1
