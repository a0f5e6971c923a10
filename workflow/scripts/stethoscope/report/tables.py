"""The published Table 1, recomputed (Table R8), as cells."""

from __future__ import annotations

from markupsafe import Markup

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.cells import INTEGER, PVALUE, SIGNED2
from stethoscope.report.facts import SIGNIFICANT, Report
from stethoscope.report.layout import DOWN, UNMARKED, UP, Row, Table, Td


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
