"""The report on what the comparisons with base leave open: many edits, losses, choices, noise.

Tables and findings from the tables of `corrections` and `sweeps`; a table is None where the study
did not ask. The captions are in report/report.html.j2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from markupsafe import Markup

from stethoscope.problems.records import SUBJECTS
from stethoscope.report import verdicts
from stethoscope.report.cells import (
    EMPTY,
    FIXED1,
    FIXED2,
    INTEGER,
    PERCENT,
    POINTS,
    PVALUE,
    Cell,
    Source,
)
from stethoscope.report.facts import ALL, OTHERS, POOLED, SIGNIFICANT, Edit, Report
from stethoscope.report.tables import DOWN, UNMARKED, UP, Row, Table, Td

EXCLUDED = Markup('<span class="up">✓</span>')


def findings(report: Report) -> tuple[verdicts.Finding, ...]:
    """The answers about ours, each by a rule of `verdicts`."""
    ours = report.one("ours")
    if ours is None:
        return ()
    found = [_survival(report, ours), _degradation(report, ours), _optimism(report, ours)]
    return tuple(finding for finding in found if finding)


def families_table(report: Report) -> Table | None:
    """Every edit on the target and on the others, with p corrected for all edits."""
    table, edits = report.source("families"), _edited(report)
    if not table.find(seed=report.view):
        return None
    head = (
        Row(
            (
                Td("Edit", "left", rows=2),
                Td(f"{SUBJECTS[report.target].short} (the target)", "group", 4),
            )
            + (Td("other subjects", "group", 4),)
        ),
        Row((Td("difference"), Td("t"), Td("p alone"), Td("p corrected")) * 2),
    )
    body = []
    for edit in edits:
        cells = [Td(edit.title, "left")]
        for subject in (report.target, OTHERS):
            found = _family(report, edit, subject)
            if found is None:
                cells += [Td(EMPTY)] * 4
                continue
            row, difference, alone, corrected = found
            mark = UNMARKED
            if corrected.value < SIGNIFICANT:
                mark = UP if difference.value > 0 else DOWN
            t = report.cells.number(table, row, "t", FIXED2)
            cells += [Td(difference), Td(t), Td(alone), Td((corrected, mark))]
        body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def losses_table(report: Report) -> Table | None:
    """Lowest difference that each interval leaves, and the smallest that would be found."""
    table = report.source("noninferiority")
    if not table.find(seed=report.view):
        return None
    names = [SUBJECTS[subject].short for subject in report.subjects] + ["others"]
    head = (Row((Td("Edit", "left"), *(Td(name) for name in names))),)
    body = []
    for edit in _edited(report):
        if edit.role == "control":
            continue
        cells = [Td(edit.title, "left")]
        for subject in (*report.subjects, OTHERS):
            row = table.only(seed=report.view, edit=edit.name, subject=subject)
            verdict = table.rows[row]["verdict"]
            mark = EXCLUDED if verdict == "not inferior" else UNMARKED
            low = report.cells.number(table, row, "ci_low", POINTS)
            mde = report.cells.number(table, row, "mde", PERCENT)
            small = Markup("<small>{}</small>").format(mde)
            cells.append(Td((low, DOWN if verdict.startswith("degraded") else mark, small)))
        body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def margin(report: Report) -> Cell:
    """The loss below which a subject counts as not degraded, in percentage points."""
    return report.cells.number(report.source("noninferiority"), 0, "margin", PERCENT)


def optimism_table(report: Report) -> Table | None:
    """Alpha chosen on validation problems beside alpha chosen on the test problems."""
    table = report.source("optimism")
    if not table.rows:
        return None
    head = (
        Row(
            (Td("Edit", "left", rows=2), Td("seed", rows=2), Td("chosen on validation", "group", 2))
            + (Td("chosen on test (the paper’s way)", "group", 2), Td("optimism", "group", 2))
            + (Td("given twice", "group", 2),)
        ),
        Row(
            (Td("α"), Td("test, %")) * 2
            + (Td("points"), Td("95 % interval"), Td("answers"), Td("differ"))
        ),
    )
    body = []
    for edit in _edited(report):
        for order, row in enumerate(table.find(edit=edit.name)):
            cells = [Td(edit.title if not order else "", "left"), Td(_seed(report, table, row))]
            for which in ("chosen", "best"):
                cells.append(Td(report.cells.number(table, row, f"alpha_{which}")))
                cells.append(Td(report.cells.number(table, row, f"accuracy_{which}", PERCENT)))
            cells.append(Td(report.cells.number(table, row, "optimism", POINTS)))
            low, high = (
                report.cells.number(table, row, f"ci_{end}", POINTS) for end in ("low", "high")
            )
            cells.append(Td(("[", low, ", ", high, "]")))
            for column in ("repeated", "answers_differ"):
                cells.append(Td(report.cells.number(table, row, column, INTEGER)))
            body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def noise_table(report: Report) -> Table | None:
    """The same edits and problems with two batch sizes."""
    table, study = report.source("noise"), report.source("study")
    if not table.rows:
        return None
    head = (
        Row(
            (Td("Edit", "left", rows=2), Td("seed", rows=2), Td("batch sizes", rows=2))
            + (Td("answers", rows=2), Td("that differ", "group", 2), Td("accuracy, %", "group", 3))
        ),
        Row((Td("in words"), Td("in being right"), Td("first"), Td("second"), Td("difference"))),
    )
    body = []
    for edit in report.edits:
        for order, row in enumerate(table.find(edit=edit.name)):

            def get(column: str, form=INTEGER, row: int = row) -> Td:
                return Td(report.cells.number(table, row, column, form))

            first = report.cells.pointer(study, "/evaluation/batch_size")
            second = report.cells.number(table, row, "batch_size")
            cells = [Td(edit.title if not order else "", "left"), Td(_seed(report, table, row))]
            cells += [Td((first, ", ", second)), get("n"), get("answers_differ")]
            cells += [get("correct_differ"), get("accuracy_first", PERCENT)]
            cells += [get("accuracy_second", PERCENT), get("difference", POINTS)]
            body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def protocols_table(report: Report) -> Table | None:
    """The same edits and problems, asked in several ways: the target, and all subjects together."""
    table = report.source("protocols")
    if not table.rows:
        return None
    head = (
        Row(
            (Td("Edit", "left", rows=2), Td("protocol", "left", rows=2), Td("seed", rows=2))
            + (Td("subjects", "left", rows=2), Td("accuracy, %", rows=2), Td("gain", rows=2))
            + (Td("problems", "group", 3), Td("truncated, %", rows=2))
            + (Td("without an answer, %", rows=2), Td("mean tokens", rows=2))
        ),
        Row((Td("gained"), Td("of these base was cut"), Td("lost"))),
    )
    body = []
    for edit in report.edits:
        for order, row in enumerate(table.find(edit=edit.name)):
            subject = table.rows[row]["subject"]
            if subject not in (report.target, ALL):
                continue

            def get(column: str, form=INTEGER, row: int = row) -> Td:
                return Td(report.cells.number(table, row, column, form))

            cells = [Td(edit.title if not order else "", "left")]
            cells += [Td(table.rows[row]["protocol"], "left"), Td(_seed(report, table, row))]
            cells.append(Td("all" if subject == ALL else SUBJECTS[subject].short, "left"))
            cells += [get("accuracy", PERCENT), get("gain", POINTS), get("gained")]
            cells += [get("gained_cut"), get("lost"), get("truncated", PERCENT)]
            cells += [get("unparsed", PERCENT), get("n_tokens", FIXED1)]
            body.append(Row(tuple(cells), "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def _survival(report: Report, ours: Edit) -> verdicts.Finding | None:
    found = _family(report, ours, report.target)
    if found is None:
        return None
    _, difference, alone, corrected = found
    table = report.source("families")
    rows = table.find(seed=report.view, subject=report.target)
    family = [report.cells.number(table, row, "p_max", PVALUE) for row in rows]
    verdict = verdicts.survives(difference.value, alone.value, corrected.value, SIGNIFICANT)
    sentence = _filled(
        verdicts.SURVIVES,
        edit=ours.title,
        scope=report.target_name,
        difference=difference,
        alone=alone,
        corrected=corrected,
        edits=report.cells.derived("number of edits", len, family, INTEGER),
    )
    question = "Does the gain survive correction over all edits tried?"
    answer = verdicts.SURVIVES_ANSWER[verdict]
    return verdicts.Finding("ours-family", question, answer, sentence)


def _degradation(report: Report, ours: Edit) -> verdicts.Finding | None:
    table = report.source("noninferiority")
    if not table.find(seed=report.view, edit=ours.name):
        return None
    rows = [
        table.only(seed=report.view, edit=ours.name, subject=subject) for subject in report.subjects
    ]
    judged = [report.cells.number(table, row, "verdict") for row in rows]
    smallest = [report.cells.number(table, row, "mde", PERCENT) for row in rows]
    lowest, highest = report.extremes([cell for cell in smallest if cell is not EMPTY])

    def count(start: str, name: str) -> Cell:
        return report.cells.derived(
            name, lambda v: sum(verdict.startswith(start) for verdict in v), judged, INTEGER
        )

    sentence = _filled(
        verdicts.DEGRADATION,
        edit=ours.title,
        subjects=report.cells.derived("number of subjects", len, judged, INTEGER),
        lost=count("degraded", "subjects with a loss"),
        safe=count("not inferior", "subjects without a loss of the margin"),
        undecided=count("undecided", "undecided subjects"),
        margin=margin(report),
        lowest=lowest,
        highest=highest,
    )
    question = "Is any subject degraded, and can degradation be excluded?"
    verdict = verdicts.degradation([cell.value for cell in judged])
    answer = verdicts.DEGRADATION_ANSWER[verdict]
    return verdicts.Finding("ours-degraded", question, answer, sentence)


def _optimism(report: Report, ours: Edit) -> verdicts.Finding | None:
    table = report.source("optimism")
    swept = [edit for edit in (ours, *report.edits) if table.find(edit=edit.name)]
    if not swept:
        return None
    edit, seeds = swept[0], report.seeds
    rows = [table.only(edit=edit.name, seed=seed) for seed in seeds]
    chosen, best = (
        [report.cells.number(table, row, f"alpha_{which}") for row in rows]
        for which in ("chosen", "best")
    )
    row = table.only(edit=edit.name, seed=report.view)

    def get(column: str, form) -> Cell:
        return report.cells.number(table, row, column, form)

    low, high = get("ci_low", POINTS), get("ci_high", POINTS)
    gain = get("optimism", POINTS)
    sentence = _filled(
        verdicts.OPTIMISM + verdicts.REPEATED,
        edit=edit.title,
        chosen=_listed(chosen),
        best=_listed(best),
        honest=get("accuracy_chosen", PERCENT),
        flattered=get("accuracy_best", PERCENT),
        optimism=gain,
        low=low,
        high=high,
        repeated=get("repeated", INTEGER),
        differ=get("answers_differ", INTEGER),
    )
    answer = verdicts.OPTIMISM_ANSWER[verdicts.optimism(gain.value, low.value)]
    question = "How optimistic is choosing α on the test problems?"
    return verdicts.Finding("optimism", question, answer, sentence)


def _family(report: Report, edit: Edit, subject: str) -> tuple[int, Cell, Cell, Cell] | None:
    """Row, difference, p alone and corrected p of an edit in its family; None if it has none."""
    table = report.source("families")
    rows = table.find(seed=report.view, subject=subject, edit=edit.name)
    if not rows:
        return None
    (row,) = rows
    difference = report.cells.number(table, row, "difference", POINTS)
    alone, corrected = (
        report.cells.number(table, row, column, PVALUE) for column in ("p_signflip", "p_max")
    )
    return row, difference, alone, corrected


def _edited(report: Report) -> list[Edit]:
    """All edits that answered problems, without the base."""
    return [edit for edit in report.edits if edit.role != "base"]


def _seed(report: Report, table: Source, row: int) -> Cell | str:
    """The seed of a row, or that it pools them."""
    return POOLED if table.rows[row]["seed"] == POOLED else report.cells.number(table, row, "seed")


def _listed(cells: Sequence[Cell]) -> Markup:
    """Cells after one another, those of equal text once."""
    shown = list({cell.text: cell for cell in cells}.values())
    return Markup("").join(
        part for pair in zip_longest(shown, [", "] * (len(shown) - 1)) for part in pair if part
    )


def _filled(template: str, **values: object) -> Markup:
    """A sentence of `verdicts` with its numbers; ~ is a space that does not break."""
    return Markup(template.replace("~", "\N{NO-BREAK SPACE}")).format(**values)
