"""The report: one HTML page from numbers, tables, findings and figures (paper, section 5).

The words around them are in report/*.j2; the rules that pick a finding's sentence in `verdicts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stethoscope.report import audit_tables, corrected, examined, tables
from stethoscope.report.bench_table import bench_table
from stethoscope.report.facts import Report
from stethoscope.report.findings import findings
from stethoscope.report.layout import Table, to_tex, to_tsv
from stethoscope.report.merging_table import merging_table
from stethoscope.report.paper_tables import TABLES, further_edits

FIGURE_NAMES = tuple(f"figure{number}" for number in range(1, 10))


def render(report: Report, template: str | Path, style: str, figures: Mapping[str, str]) -> str:
    """The page: one HTML file that needs nothing else.

    template: path of report.html.j2; files that it imports lie beside it. style: CSS text.
    figures: name (figure1, ...) to SVG text. A name that the template misspells is an error.
    """
    path = Path(template)
    page = _environment(path).get_template(path.name)
    text = page.render(
        report=report,
        tables=tables,
        paper_tables=_paper_tables(report),
        further=further_edits(report),
        captions=_captions(report, path),
        audit=audit_tables,
        findings=findings(report),
        bench=bench_table(report),
        merging=merging_table(report),
        examined=examined,
        corrected=corrected,
        style=Markup(style),
        figures={name: Markup(_inline(svg)) for name, svg in figures.items()},
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def table_files(report: Report, template: str | Path) -> dict[str, str]:
    """Tables 1 to 6 as files: table1.tsv, table1.tex, ...; of one that is left out, the header.

    template: as for `render`; the captions are those of the page.
    """
    captions, shown = _captions(report, Path(template)), _paper_tables(report)
    files = {}
    for name, make in TABLES.items():
        table = shown.get(name) or Table(make(report).head, ())
        caption = captions[name]() if name in shown else f"Left out: {report.left_out[name]}."
        files[f"{name}.tsv"] = to_tsv(table)
        files[f"{name}.tex"] = to_tex(table, name, caption)
    return files


def _paper_tables(report: Report) -> dict[str, Table]:
    """Tables 1 to 6, without those that the study has no data for."""
    return {name: make(report) for name, make in TABLES.items() if name not in report.left_out}


def _captions(report: Report, template: Path) -> Mapping[str, Callable[[], Markup]]:
    """Captions of the paper's tables and figures by name, from captions.html.j2."""
    captions = _environment(template).get_template("captions.html.j2")
    return vars(captions.make_module({"report": report}))


def _environment(template: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _inline(svg: str) -> str:
    """The <svg> element of an SVG file, without the XML declaration that HTML does not know."""
    return svg[svg.index("<svg") :].strip()
