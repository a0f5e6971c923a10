r"""Tables by description: one spec and one source give HTML, TSV and LaTeX (report/tables/*.yaml).

A spec names its `source`, a table of the statistics in which each row is a printed row:

    table3:
      source: table3
      css: dense                        # of the whole table
      variants: {draws: [...]}          # other columns for the rows of that `kind`
      columns:
        - {head: Edit, css: left, cell: "{label:name}"}
        - group: "{target} (the target)"        # a heading over several columns
          columns:
            - {head: difference, cell: "{difference:points}{direction:arrow}"}
            - {head: 95 % interval, cell: "[{ci_low:points}, {ci_high:points}]"}
        - each: "accuracy_*"            # one column for each column of the source that matches
          head: "{*}"
          cell: "{accuracy_{*}:percent}"
          css_if: {chosen: "chosen_{*}"}        # a class where a column of the source says 1

Three columns of a source steer its rows: `kind` picks a variant, `css` has classes (ours, minor,
rule), and where `section` changes, a heading row has its text.

`cell` holds columns of the source with a format of `numbers.FORMATS` or a mark of `MARKS`; a part
in [[double brackets]] is left out where it holds nothing. A cell in which nothing stands is a dash,
or blank with `blank: true`. `optional: true` drops a column that the source does not have. `each`
also takes several columns below it (`columns:`). `span: rest` in a variant takes all columns that
are left. `transpose: true` turns rows into columns, which the first column then heads. In `head`,
`group` and `each` the report's words are filled in, such as {target}; in headings also a column of
the source that is the same in each row. `names` are the TSV's column names, one for each number or
one for the whole text (default: that of the first column of the source).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

from stethoscope.report.numbers import EMPTY, FORMATS, Cell, Numbers, Source, is_empty

UP, DOWN = Markup('<span class="up">↑</span>'), Markup('<span class="down">↓</span>')
EXCLUDED = Markup('<span class="up">✓</span>')
UNMARKED = Markup('<span class="up"></span>')  # keeps the digits above one another
ARROWS = {"above": UP, "below": DOWN, "excluded": EXCLUDED}
REST = 0  # a span over all columns that are left
_YES = ("1", "1.0", "true")

# What a column of the source prints as, where it is no number: value to markup.
MARKS = {
    "name": lambda text: Markup('<span class="name">{}</span>').format(text),
    "text": lambda text: Markup("{}").format(text),
    "code": lambda text: Markup("<code>{}</code>").format(text),
    "arrow": lambda text: ARROWS.get(text, UNMARKED),
    "dot": lambda text: Markup("●") if text.lower() in _YES else Markup(""),
    "dagger": lambda text: Markup("†") if text.lower() in _YES else Markup(""),
}
_WORDS = {"name", "text", "code"}  # marks that print the text itself
_FIELD = re.compile(r"\{([^{}:]+)(?::(\w+))?\}")
_OPTIONAL = re.compile(r"\[\[(.*?)\]\]", re.S)

_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "−": "$-$", "—": "---", "–": "--", "\u00a0": "~", "’": "'", "“": "``", "”": "''",
    "<": "$<$", ">": "$>$", "≥": r"$\geq$", "×": r"$\times$", "·": r"$\cdot$", "√": r"$\surd$",
    "α": r"$\alpha$", "τ": r"$\tau$", "ρ": r"$\rho$", "ε": r"$\varepsilon$", "‖": r"$\Vert$",
    "²": "$^2$", "∞": r"$\infty$", "●": r"$\bullet$", "†": r"$\dagger$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "✓": r"$\checkmark$",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of a spec, `each` and the report's words already filled in."""

    head: str
    cell: str
    css: str = ""
    css_if: Mapping[str, str] = field(default_factory=dict)
    blank: bool = False
    span: int = 1
    names: tuple[str, ...] = ()
    group: str = ""

    @property
    def fields(self) -> list[str]:
        """Columns of the source that the cell holds."""
        return [name for name, _ in _FIELD.findall(self.cell)]

    @property
    def number_fields(self) -> list[str]:
        """Those of them that are printed as numbers or words, not as marks."""
        return [n for n, form in _FIELD.findall(self.cell) if form not in MARKS or form in _WORDS]


@dataclass(frozen=True)
class Td:
    """A rendered cell: parts that print themselves (`Cell`, `Markup`), class, columns and rows."""

    parts: tuple = ()
    css: str = ""
    span: int = 1
    rows: int = 1


@dataclass(frozen=True)
class Tr:
    """A rendered row; `apart` keeps it out of the TSV: its numbers have other units."""

    cells: tuple[Td, ...]
    css: str = ""
    apart: bool = False


@dataclass(frozen=True)
class Table:
    """A table as it is printed: leaf columns with their headings, and the rows."""

    name: str
    css: str
    columns: tuple[Column, ...]
    rows: tuple[Tr, ...]

    def __html__(self) -> Markup:
        lines = [Markup("<thead>")]
        lines += [_html_row(row, "th") for row in _head(self.columns)]
        lines += [Markup("</thead>\n<tbody>")]
        lines += [_html_row(row, "td") for row in self.rows]
        return Markup("<table>\n{}\n</tbody></table>").format(Markup("\n").join(lines))


def read_specs(folder: str | Path) -> dict[str, dict[str, Any]]:
    """All table specs below a folder by name; a ValueError that names file and table if broken."""
    specs: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(folder).glob("*.yaml")):
        for name, spec in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            if name in specs:
                raise ValueError(f"{path}: table '{name}' is described twice")
            if missing := {"source", "columns"} - set(spec or ()):
                raise ValueError(f"{path}: table '{name}' has no {min(missing)}")
            specs[name] = spec
    return specs


def render_table(
    name: str, spec: Mapping[str, Any], numbers: Numbers, words: Mapping[str, str]
) -> Table:
    """The table that a spec describes.

    words: what `{...}` in headings stands for, such as target. Raises ValueError where the spec
    names a column that the source does not have, or a format that there is not.
    """
    source = numbers.sources[spec["source"]]
    columns = tuple(_columns(spec["columns"], source, words))
    variants = {
        kind: tuple(_columns(cells, source, words))
        for kind, cells in spec.get("variants", {}).items()
    }
    rows: list[Tr] = []
    section = None
    for index, row in enumerate(source.rows):
        if row.get("section") != section:
            section = row["section"]
            heading = MARKS["name"](section)
            rows.append(Tr((Td((heading,), "left group", len(columns)),), "rule"))
        cells = variants.get(row.get("kind", ""), columns)
        css = row.get("css", "")
        rendered = [_cell(column, source, index, numbers) for column in cells]
        if rendered[-1].span == REST:
            left = len(columns) - sum(td.span for td in rendered[:-1])
            rendered[-1] = replace(rendered[-1], span=left)
        rows.append(Tr(tuple(rendered), css, "apart" in css.split()))
    table = Table(name, spec.get("css", ""), columns, tuple(rows))
    return _transposed(table) if spec.get("transpose") else table


def _transposed(table: Table) -> Table:
    """The same cells with rows and columns exchanged: the first column becomes the heading."""
    first, *others = table.columns
    heads = [Markup("").join(map(escape, row.cells[0].parts)) for row in table.rows]
    columns = (first, *(Column(head, "", names=(head.striptags(),)) for head in heads))
    rows = (
        Tr((Td((Markup(column.head),), "left"), *(row.cells[index] for row in table.rows)))
        for index, column in enumerate(others, start=1)
    )
    return Table(table.name, table.css, columns, tuple(rows))


def to_tsv(table: Table) -> str:
    """The table as printed, a line a row; a column for each number, nothing for a dash, 1 for ●."""
    lines = [[name for column in table.columns for name in _names(column)]]
    for row in table.rows:
        if row.apart or len(row.cells) != len(table.columns):
            continue
        line = []
        for column, td in zip(table.columns, row.cells, strict=True):
            names = _names(column)
            if len(names) == 1:
                line.append("".join(_plain(part) for part in td.parts))
                continue
            values = [part for part in td.parts if isinstance(part, Cell)]
            values = [EMPTY] * len(names) if values in ([], [EMPTY]) else values
            line += [_plain(value) for value in values]
            if len(values) != len(names):
                raise ValueError(
                    f"table '{table.name}': {len(values)} numbers in a cell with {len(names)} names"
                )
        lines.append(line)
    return "".join("\t".join(line) + "\n" for line in lines)


def to_tex(table: Table, caption: str) -> str:
    """A LaTeX table (packages booktabs and graphicx) in plain ASCII.

    caption: text, or markup, which is left out. A heading over several columns is ruled below.
    """
    caption = re.sub(r"[ \n]+", " ", _text(caption)).strip()
    kinds = "".join("l" if "left" in column.css.split() else "r" for column in table.columns)
    lines = [
        r"\begin{table*}",
        rf"\caption{{{_escape_tex(caption)}}}",
        rf"\label{{tab:{table.name}}}",
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{{kinds}}}",
        r"\toprule",
    ]
    if any(column.group for column in table.columns):
        heads, rules, start = [], [], 1
        for group, members in _groups(table.columns):
            width = len(members)
            text = _escape_tex(_text(group))
            heads.append(rf"\multicolumn{{{width}}}{{c}}{{{text}}}" if group else "")
            rules += [rf"\cmidrule(lr){{{start}-{start + width - 1}}}"] if group else []
            start += width
        lines += [" & ".join(heads) + r" \\", " ".join(rules)]
    heads = [_escape_tex(_text(column.head)) for column in table.columns]
    kept = [
        head if "left" in column.css.split() else rf"\multicolumn{{1}}{{c}}{{{head}}}"
        for head, column in zip(heads, table.columns, strict=True)
    ]
    lines += [" & ".join(kept) + r" \\", r"\midrule"]
    for index, row in enumerate(table.rows):
        if index and "rule" in row.css.split():
            lines.append(r"\midrule")
        cells = [
            _tex(td) if td.span == 1 else rf"\multicolumn{{{td.span}}}{{l}}{{{_tex(td)}}}"
            for td in row.cells
        ]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


# --- from a spec to columns --------------------------------------------------------------------


def _columns(
    described: Sequence[Mapping[str, Any]],
    source: Source,
    words: Mapping[str, str],
    group: str = "",
) -> Iterator[Column]:
    for about in described:
        repeated = [""]
        if "each" in about:
            pattern = re.escape(_fill(about["each"], words)).replace(r"\*", "(.+)")
            matches = (re.fullmatch(pattern, column) for column in source.columns)
            repeated = [match[1] for match in matches if match]
        for star in repeated:
            here = {**words, "*": star}
            if "columns" in about:
                heading = _heading(about.get("group", group), source, here)
                inner = _starred(about["columns"], star) if "each" in about else about["columns"]
                yield from _columns(inner, source, words, heading)
                continue
            column = Column(
                head=_heading(about.get("head", ""), source, here),
                cell=about["cell"].replace("{*}", star),
                css=about.get("css", ""),
                css_if={k: v.replace("{*}", star) for k, v in about.get("css_if", {}).items()},
                blank=about.get("blank", False),
                span=REST if about.get("span") == "rest" else about.get("span", 1),
                names=tuple(_fill(name, here) for name in about.get("names", ())),
                group=group,
            )
            if about.get("optional") and not set(column.fields) <= set(source.columns):
                continue
            for name, form in _FIELD.findall(column.cell):
                source.require(name)
                if form and form not in FORMATS and form not in MARKS:
                    known = ", ".join([*FORMATS, *MARKS])
                    raise ValueError(f"{source.name}: no format '{form}' (there are: {known})")
            yield column


def _starred(columns: Sequence[Mapping[str, Any]], star: str) -> list[dict[str, Any]]:
    """Columns below an `each`, with {*} filled in wherever it stands."""
    text = yaml.safe_dump(list(columns), allow_unicode=True, width=10_000)
    return yaml.safe_load(text.replace("{*}", star))


def _heading(text: str, source: Source, words: Mapping[str, str]) -> Markup:
    """A heading with the report's words, and columns that are the same in each row, filled in."""
    text = _fill(text, {word: escape(value) for word, value in words.items()})
    first = source.rows[0] if source.rows else {}
    return Markup(_FIELD.sub(lambda m: MARKS[m[2] or "text"](first.get(m[1], "")), text))


def _fill(text: str, words: Mapping[str, str]) -> str:
    """Text with words in place of {word}."""
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


# --- from a row to cells ----------------------------------------------------------------------


def _cell(column: Column, source: Source, index: int, numbers: Numbers) -> Td:
    row = source.rows[index]
    css = [column.css]
    css += [name for name, flag in column.css_if.items() if row[flag].lower() in _YES]
    classes = " ".join(filter(None, css))
    filled = [name for name in column.number_fields if not is_empty(row[name])]
    if column.number_fields and not filled:
        return Td((Markup("") if column.blank else EMPTY,), classes, column.span)
    template = _OPTIONAL.sub(lambda part: part[1] if _holds(part[1], row) else "", column.cell)
    parts: list[Any] = []
    end = 0
    for match in _FIELD.finditer(template):
        parts += _literal(template[end : match.start()])
        name, form = match[1], match[2] or "raw"
        mark = MARKS.get(form)
        parts.append(mark(row[name]) if mark else numbers(source.name, index, name, form))
        end = match.end()
    parts += _literal(template[end:])
    return Td(tuple(parts), classes, column.span)


def _literal(text: str) -> list[Markup]:
    """What a cell says between its columns, in parts; arrows are marks."""
    arrows = {"↑": UP, "↓": DOWN}
    return [arrows.get(part) or Markup(part) for part in re.split("([↑↓])", text) if part]


def _holds(part: str, row: Mapping[str, str]) -> bool:
    """Whether an optional part of a cell has something to print."""
    return any(not is_empty(row[name]) for name, _ in _FIELD.findall(part))


# --- printing ---------------------------------------------------------------------------------


def _groups(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    """Neighbouring columns under one heading; a column without one is alone."""
    groups: list[tuple[str, list[Column]]] = []
    for column in columns:
        if groups and column.group and column.group == groups[-1][0]:
            groups[-1][1].append(column)
        else:
            groups.append((column.group, [column]))
    return groups


def _head(columns: Sequence[Column]) -> Iterator[Tr]:
    """Heading rows; without groups there is one."""
    if not any(column.group for column in columns):
        yield Tr(tuple(Td((Markup(column.head),), column.css) for column in columns))
        return
    yield Tr(
        tuple(
            Td((Markup(group),), "group", len(members))
            if group
            else Td((Markup(members[0].head),), members[0].css, rows=2)
            for group, members in _groups(columns)
        )
    )
    yield Tr(tuple(Td((Markup(column.head),), column.css) for column in columns if column.group))


def _html_row(row: Tr, tag: str) -> Markup:
    shown = []
    for td in row.cells:
        attributes = {"class": td.css, "colspan": td.span, "rowspan": td.rows}
        said = "".join(f' {k}="{v}"' for k, v in attributes.items() if v not in ("", 1))
        shown.append(Markup(f"<{tag}{said}>{Markup('').join(map(escape, td.parts))}</{tag}>"))
    start = Markup('<tr class="{}">').format(row.css) if row.css else Markup("<tr>")
    return start + Markup("").join(shown) + Markup("</tr>")


def _names(column: Column) -> tuple[str, ...]:
    return column.names or (column.number_fields[0] if column.number_fields else column.head,)


def _plain(part: object) -> str:
    """A TSV field: plain minus, nothing for a dash or an arrow, no tab or line break."""
    text = "" if part is EMPTY or part in (UP, DOWN, UNMARKED) else _text(part)
    return re.sub(r"\s+", " ", text.replace("−", "-").replace("●", "1"))


def _tex(td: Td) -> str:
    raised = {UP: r"$^{\uparrow}$", DOWN: r"$^{\downarrow}$"}
    return "".join(raised.get(part) or _escape_tex(_text(part)) for part in td.parts)


def _escape_tex(value: object) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(character, character) for character in str(value))


def _text(part: object) -> str:
    """Text of a part; markup without its tags."""
    return unescape(re.sub("<[^>]*>", "", part)) if isinstance(part, Markup) else str(part)
