"""The report: one HTML page from numbers, tables, findings and figures (paper, section 5).

The words around them are in report/*.j2, the tables in report/tables/*.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stethoscope.report import layout
from stethoscope.report.bench_table import bench_table
from stethoscope.report.facts import Report
from stethoscope.report.merging_table import merging_table
from stethoscope.report.paper_tables import TABLES, further_edits
from stethoscope.report.table import Table, read_specs, render_table, to_tex, to_tsv

FIGURE_NAMES = tuple(f"figure{number}" for number in range(1, 10))
PAPER_TABLES = tuple(f"table{number}" for number in range(1, 7))


def render(report: Report, template: str | Path, style: str, figures: Mapping[str, str]) -> str:
    """The page: one HTML file that needs nothing else.

    template: path of report.html.j2; captions.html.j2, macros.html.j2 and tables/ lie beside it.
    style: CSS text. figures: name (figure1, ...) to SVG text. A name that the template misspells
    is an error.
    """
    path = Path(template)
    page = _environment(path).get_template(path.name)
    text = page.render(
        **_context(report),
        tables=render_tables(report, path.parent),
        paper_tables={
            name: make(report) for name, make in TABLES.items() if name not in report.left_out
        },
        further=further_edits(report),
        captions=_captions(report, path),
        bench=bench_table(report),
        merging=merging_table(report),
        style=Markup(style),
        figures={name: Markup(_inline(svg)) for name, svg in figures.items()},
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def render_tables(report: Report, templates: Path) -> dict[str, Table]:
    """The tables of the specs by name, without those that the study has no data for."""
    return {
        name: _table(report, name, spec)
        for name, spec in read_specs(templates / "tables").items()
        if report.sources[spec["source"]].rows and name not in report.left_out
    }


def table_files(report: Report, template: str | Path) -> dict[str, str]:
    """Tables 1 to 6 as files: table1.tsv, table1.tex, ...; of one that is left out, the header.

    template: as for `render`; the captions are those of the page.
    """
    captions, files = _captions(report, Path(template)), {}
    specs = read_specs(Path(template).parent / "tables")
    for name in PAPER_TABLES:
        absent = report.left_out.get(name)
        caption = f"Left out: {absent}." if absent else captions[name]()
        if name in specs:
            table = _table(report, name, specs[name])
            table = replace(table, rows=()) if absent else table
            files[f"{name}.tsv"], files[f"{name}.tex"] = to_tsv(table), to_tex(table, caption)
        else:
            made = TABLES[name](report)
            made = layout.Table(made.head, ()) if absent else made
            files[f"{name}.tsv"] = layout.to_tsv(made)
            files[f"{name}.tex"] = layout.to_tex(made, name, caption)
    return files


def _table(report: Report, name: str, spec: Mapping) -> Table:
    return render_table(name, spec, report.numbers, report.words)


def _captions(report: Report, template: Path) -> Mapping[str, Callable[[], Markup]]:
    """Captions of the paper's tables and figures by name, from captions.html.j2."""
    captions = _environment(template).get_template("captions.html.j2")
    return vars(captions.make_module(_context(report)))


def _context(report: Report) -> dict[str, Any]:
    """What all templates may read."""
    return {
        "report": report,
        "number": report.numbers,
        "pointer": report.numbers.pointer,
        "overview": report.sources["overview"].rows[0],
        "several": len(report.seeds) > 1,
    }


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
