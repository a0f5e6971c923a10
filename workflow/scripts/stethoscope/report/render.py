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

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.numbers import INPUT_DATA, Numbers, Source
from stethoscope.report.table import Table, read_specs, render_table, to_tex, to_tsv

FIGURE_NAMES = tuple(f"figure{number}" for number in range(1, 10))
PAPER_TABLES = tuple(f"table{number}" for number in range(1, 7))


def load_sources(
    paths: Mapping[str, str | Path], rules: Mapping[str, str | None], root: str | Path = "."
) -> dict[str, Source]:
    """The inputs of the report by name; `rules` says which rule wrote each, None for input data."""
    return {
        name: Source.load(name, path, rules.get(name) or INPUT_DATA, root)
        for name, path in paths.items()
    }


def render(numbers: Numbers, template: str | Path, style: str, figures: Mapping[str, str]) -> str:
    """The page: one HTML file that needs nothing else.

    template: path of report.html.j2; captions.html.j2, macros.html.j2 and tables/ lie beside it.
    style: CSS text. figures: name (figure1, ...) to SVG text. A name that the template misspells
    is an error.
    """
    path = Path(template)
    page = _environment(path).get_template(path.name)
    text = page.render(
        **_context(numbers),
        tables=render_tables(numbers, path.parent),
        left_out=left_out(numbers),
        captions=_captions(numbers, path),
        style=Markup(style),
        figures={name: Markup(_inline(svg)) for name, svg in figures.items()},
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def render_tables(numbers: Numbers, templates: Path) -> dict[str, Table]:
    """The tables of the specs by name, without those that the study has no data for."""
    return {
        name: _table(numbers, name, spec)
        for name, spec in read_specs(templates / "tables").items()
        if numbers.sources[spec["source"]].rows and name not in left_out(numbers)
    }


def left_out(numbers: Numbers) -> dict[str, str]:
    """Why the study has no data for some of the paper's tables and figures, by name."""
    return {row["item"]: row["reason"] for row in numbers.sources["left_out"].rows}


def table_files(numbers: Numbers, template: str | Path) -> dict[str, str]:
    """Tables 1 to 6 as files: table1.tsv, table1.tex, ...; of one that is left out, the header.

    template: as for `render`; the captions are those of the page.
    """
    captions, files = _captions(numbers, Path(template)), {}
    specs = read_specs(Path(template).parent / "tables")
    for name in PAPER_TABLES:
        absent = left_out(numbers).get(name)
        caption = f"Left out: {absent}." if absent else captions[name]()
        table = _table(numbers, name, specs[name])
        table = replace(table, rows=()) if absent else table
        files[f"{name}.tsv"], files[f"{name}.tex"] = to_tsv(table), to_tex(table, caption)
    return files


def _table(numbers: Numbers, name: str, spec: Mapping) -> Table:
    target = numbers.sources["study"].document["study"]["target"]
    return render_table(name, spec, numbers, {"target": SUBJECTS[target].short})


def _captions(numbers: Numbers, template: Path) -> Mapping[str, Callable[[], Markup]]:
    """Captions of the paper's tables and figures by name, from captions.html.j2."""
    captions = _environment(template).get_template("captions.html.j2")
    return vars(captions.make_module(_context(numbers)))


def _context(numbers: Numbers) -> dict[str, Any]:
    """What all templates may read."""
    study = numbers.sources["study"].document
    sources = numbers.sources.values()
    return {
        "study": study["study"],
        "notes": (study.get("report") or {}).get("notes", ()),
        "number": numbers,
        "sources": numbers.sources,
        "provenance": sorted(sources, key=lambda source: (source.rule == INPUT_DATA, source.path)),
        "overview": numbers.sources["overview"].rows[0],
        "several": len(study["seeds"]) > 1,
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
