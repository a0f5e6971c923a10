"""The report: one HTML page from numbers, tables, findings and figures (paper, section 5).

The words around them are in report/*.j2; the rules that pick a finding's sentence in `verdicts`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stethoscope import audit_tables, corrected, examined, tables
from stethoscope.bench_table import bench_table
from stethoscope.facts import Report
from stethoscope.findings import findings

FIGURE_NAMES = ("figure2", "figure3", "figure5")


def render(report: Report, template: str | Path, style: str, figures: Mapping[str, str]) -> str:
    """The page: one HTML file that needs nothing else.

    template: path of report.html.j2; files that it imports lie beside it. style: CSS text.
    figures: name (figure2, ...) to SVG text. A name that the template misspells is an error.
    """
    path = Path(template)
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template(path.name).render(
        report=report,
        tables=tables,
        audit=audit_tables,
        findings=findings(report),
        bench=bench_table(report),
        examined=examined,
        corrected=corrected,
        style=Markup(style),
        figures={name: Markup(_inline(svg)) for name, svg in figures.items()},
    )
    return re.sub(r"\n{3,}", "\n\n", page)


def _inline(svg: str) -> str:
    """The <svg> element of an SVG file, without the XML declaration that HTML does not know."""
    return svg[svg.index("<svg") :].strip()
