"""The report's tables on the published record: retested, and held against itself.

Each function takes the `Report` and gives a `Table`, as in `tables`; the captions are in
report/report.html.j2.
"""

from __future__ import annotations

from markupsafe import Markup

from stethoscope.report.cells import (
    FIXED1,
    FIXED2,
    FIXED3,
    INTEGER,
    PERCENT,
    POINTS,
    PVALUE,
    RAW,
    SIGNED2,
    Cell,
    Format,
    Source,
)
from stethoscope.report.facts import SIGNIFICANT, Report
from stethoscope.report.layout import DOWN, UNMARKED, UP, Row, Table, Td

# Spelled as in published.retest and published.checks, which are not imported: they need scipy.
ALL, OTHERS, BASE = "all", "others", "Base model"
VERDICTS = {
    "impossible": "No data could give it",
    "contradicted": "Contradicted by other numbers or words of the paper",
    "cannot be checked": "Not decided by what was printed, or by what survives of it",
    "holds": "Holds",
}
DAGGER = "†"
FIXED4, FIXED7 = Format("4 decimals", 4), Format("7 decimals", 7)


def verdict_counts(report: Report) -> dict[str, Cell]:
    """How many checks have each verdict."""
    table = report.source("published_checks")
    verdicts = [report.cells.number(table, row, "verdict") for row in range(len(table.rows))]

    def count(verdict: str) -> Cell:
        return report.cells.derived(
            f"checks with verdict: {verdict}", lambda v: v.count(verdict), verdicts, INTEGER
        )

    return {verdict: count(verdict) for verdict in VERDICTS}


def check_count(report: Report) -> Cell:
    """How many checks there are."""
    counts = list(verdict_counts(report).values())
    return report.cells.derived("number of checks", sum, counts, INTEGER)


def checks_table(report: Report) -> Table:
    """Every check: what is said and where, what is found and from what, by verdict."""
    table, counts = report.source("published_checks"), verdict_counts(report)
    head = (Row((Td("What the paper says", "left"), Td("What its numbers give", "left"))),)
    body: list[Row] = []
    for verdict, heading in VERDICTS.items():
        rows = table.find(verdict=verdict)
        if not rows:
            continue
        title = Markup("{} ({})").format(heading, counts[verdict])
        body.append(Row((Td(title, "left group", 2),), "rule"))
        for row in rows:
            said, found = (_text(report, table, row, name) for name in ("claim", "found"))
            where, evidence = (_text(report, table, row, name) for name in ("where", "evidence"))
            body.append(
                Row(
                    (
                        Td((said, _small(where)), "left wide"),
                        Td((found, _small(evidence)), "left wide"),
                    )
                )
            )
    return Table(head, tuple(body))


def contrasts_table(report: Report) -> Table:
    """Differences of every pair of published methods, with z, p and the corrections."""
    table = report.source("published_comparisons")
    subjects = table.values("subject")
    head = (
        Row(
            (Td("Method against reference", "left", rows=2),)
            + tuple(Td(_name(name), "group", 2) for name in subjects)
        ),
        Row((Td("points"), Td("p")) * len(subjects)),
    )
    body = []
    for method, reference in _pairs(table):
        cells = [Td(Markup("{} against {}").format(_named(method), _named(reference)), "left")]
        for subject in subjects:
            row = table.only(method=method, reference=reference, subject=subject)
            p = report.cells.number(table, row, "p_lmeval", PVALUE)
            difference = report.cells.number(table, row, "difference", POINTS)
            cells += [Td((difference, _mark(p, difference))), Td(p)]
        body.append(Row(tuple(cells)))
    return Table(head, tuple(body))


def significant_table(report: Report) -> Table:
    """#Sig of every pair by test and correction, beside the published."""
    table, published = report.source("published_significant"), report.source("table1")
    tests = ("pooled", "lmeval", "holm", "bh", "holm_table", "bh_table")
    head = (
        Row(
            (Td("Method against reference", "left", rows=2), Td("#Sig published", "pub", rows=2))
            + (Td("pooled z", rows=2), Td("lm-eval z", rows=2), Td("over the subjects", "group", 2))
            + (Td("over all of Table 1", "group", 2), Td("losses", rows=2))
        ),
        Row((Td("Holm"), Td("BH")) * 2),
    )
    body = []
    for row, about in enumerate(table.rows):
        label = Markup("{} against {}").format(_named(about["method"]), _named(about["reference"]))
        cells = [Td(label, "left")]
        if about["reference"] == BASE:
            where = {"method": about["method"]}
            cells.append(Td(report.cells.number(published, where, "n_sig_of_7", INTEGER), "pub"))
        else:
            cells.append(Td("", "pub"))
        for test in tests:
            cells.append(Td(report.cells.number(table, row, f"gains_{test}", INTEGER)))
        cells.append(Td(report.cells.number(table, row, "losses_lmeval", INTEGER)))
        body.append(Row(tuple(cells)))
    return Table(head, tuple(body))


def formulas_table(report: Report) -> Table:
    """Candidate tests of the headline: which prints the published z and p."""
    table = report.source("published_formulas")
    head = (
        Row((Td("Test", "left"), Td("z"), Td("prints"), Td("p"), Td("prints"), Td("prints both"))),
        Row(
            (Td("as published", "left pub"), Td(report.cells.number(table, 0, "z_printed"), "pub"))
            + (Td(), Td(report.cells.number(table, 0, "p_printed"), "pub"), Td(), Td())
        ),
    )
    body = []
    for row in range(len(table.rows)):

        def get(column: str, form=RAW, row: int = row) -> Td:
            return Td(report.cells.number(table, row, column, form))

        label = Td(_text(report, table, row, "formula"), "left")
        body.append(
            Row(
                (label, get("z", FIXED4), get("z_prints"), get("p", FIXED7), get("p_prints"))
                + (get("both_print"),),
                "chosen-row" if table.rows[row]["both_print"] == "yes" else "",
            )
        )
    return Table(head, tuple(body))


def grim_table(report: Report) -> Table:
    """Problems right that print as each percentage; where none does, the percentages that could."""
    table = report.source("published_grim")
    subjects = list(dict.fromkeys(row["subject"] for row in table.rows))
    head = (Row((Td("", "left"), *(Td(name) for name in subjects))),)
    sizes = [Td(report.cells.number(table, table.find(subject=s)[0], "n")) for s in subjects]
    body = [Row((Td("problems", "left"), *sizes))]
    for name in dict.fromkeys((row["table"], row["row"]) for row in table.rows):
        cells = [Td((_named(", ".join(name)),), "left")]
        for subject in subjects:
            found = table.find(table=name[0], row=name[1], subject=subject)
            cells.append(Td(_grim_cell(report, table, found[0]) if found else ""))
        body.append(Row(tuple(cells)))
    return Table(head, tuple(body))


def _grim_cell(report: Report, table: Source, row: int) -> tuple:
    percent = report.cells.number(table, row, "percent", FIXED1)
    if table.rows[row]["possible"].lower() == "true":
        correct = report.cells.number(table, row, "correct", INTEGER)
        return (correct, Markup("<small>{}</small>").format(percent))
    low, high = (report.cells.number(table, row, name, FIXED1) for name in ("below", "above"))
    return (DAGGER, Markup("<small>{}; {} or {}</small>").format(percent, low, high))


def power_table(report: Report) -> Table:
    """What the paper's test can find on each subject."""
    table = report.source("published_power")
    names = [row["subject"] for row in table.rows]
    head = (Row((Td("", "left"), *(Td(name) for name in names))),)
    lines = (
        ("problems", "n", INTEGER),
        ("right in the base model", "correct_base", INTEGER),
        ("effect that the paper names, points", "gain", POINTS),
        ("power at that effect", "power_at_gain", FIXED2),
        ("effect found with high power, points", "detectable", PERCENT),
        ("problems needed for the effect named", "problems_needed", INTEGER),
    )
    body = [
        Row(
            (Td(label, "left"),)
            + tuple(Td(report.cells.number(table, row, column, form)) for row in range(len(names)))
        )
        for label, column, form in lines
    ]
    return Table(head, tuple(body))


def sweep_table(report: Report) -> Table:
    """Table 4's accuracies on NT: counts, z against base, p against the best."""
    table = report.source("published_sweep")
    rows = range(len(table.rows))
    alphas = tuple(Td(report.cells.number(table, row, "alpha", FIXED2)) for row in rows)
    head = (Row((Td("α", "left"), *alphas)),)
    lines = (
        ("accuracy, %", "percent", FIXED1),
        ("right", "correct", INTEGER),
        ("z against base", "z_lmeval", SIGNED2),
        ("p against base", "p_lmeval", PVALUE),
        ("p against the best α", "p_best", FIXED3),
    )
    body = [
        Row((Td(label, "left"), *(Td(report.cells.number(table, row, column, f)) for row in rows)))
        for label, column, f in lines
    ]
    return Table(head, tuple(body))


def _pairs(table: Source) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["method"], row["reference"]) for row in table.rows))


def _named(name: str) -> Markup:
    """A name of the paper: text, not a number of ours."""
    return Markup('<span class="name">{}</span>').format(name)


def _name(subject: str) -> str:
    return {ALL: "all", OTHERS: "all but NT"}.get(subject, subject)


def _text(report: Report, table: Source, row: int, column: str) -> Cell:
    return report.cells.number(table, row, column)


def _small(cell: Cell) -> Markup:
    return Markup("" if cell.value is None else "<small>{}</small>").format(cell)


def _mark(p: Cell, difference: Cell) -> Markup:
    if p.value is None or p.value >= SIGNIFICANT or difference.value == 0:
        return UNMARKED
    return UP if difference.value > 0 else DOWN
