"""A table of the report as a structure, and the two files that it is written to: TSV and LaTeX.

The page prints the same structure through report/macros.html.j2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from stethoscope.report import verdicts
from stethoscope.report.cells import EMPTY, Cell

UP, DOWN = Markup('<span class="up">↑</span>'), Markup('<span class="down">↓</span>')
UNMARKED = Markup('<span class="up"></span>')  # keeps the digits above one another
MARKS = {UP: r"$^{\uparrow}$", DOWN: r"$^{\downarrow}$", UNMARKED: ""}

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "−": "$-$", "—": "---", "–": "--", "\u00a0": "~", "’": "'", "“": "``", "”": "''",
    "<": "$<$", ">": "$>$", "≥": r"$\geq$", "×": r"$\times$", "·": r"$\cdot$", "√": r"$\surd$",
    "α": r"$\alpha$", "τ": r"$\tau$", "ρ": r"$\rho$", "ε": r"$\varepsilon$", "‖": r"$\Vert$",
    "²": "$^2$", "∞": r"$\infty$", "●": r"$\bullet$", "†": r"$\dagger$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}  # fmt: skip


@dataclass(frozen=True)
class Td:
    """A table cell: one thing, or several side by side, with a CSS class and a span.

    names: of a header cell, the TSV columns that it stands for; with several, each number of a
    cell below it has a column of its own.
    """

    content: Any = ""
    css: str = ""
    span: int = 1
    rows: int = 1
    names: str = ""

    @property
    def parts(self) -> tuple:
        """What to print, always as a tuple."""
        return self.content if isinstance(self.content, tuple) else (self.content,)


@dataclass(frozen=True)
class Row:
    """A row of a table; css `rule` draws a line above it, `minor` prints it smaller.

    apart: in other units than the rows above, and so not in the TSV.
    """

    cells: tuple[Td, ...]
    css: str = ""
    apart: bool = False


@dataclass(frozen=True)
class Table:
    """Header rows and body rows."""

    head: tuple[Row, ...]
    body: tuple[Row, ...]


def columns(table: Table) -> tuple[Td, ...]:
    """The lowest header cell of each column.

    Raises ValueError where a column has none of its own.
    """
    grid = _grid(table.head)
    lowest = tuple(grid[-1])
    for column, td in enumerate(lowest):
        if td is None or td.span > 1:
            raise ValueError(f"table: column {column} has no header of its own")
    return lowest


def to_tsv(table: Table) -> str:
    """The table as printed, a line a row; a header line of the names, nothing for a dash, 1 for ●.

    Raises ValueError for a cell with more or fewer numbers than its column has names.
    """
    heads = [td.names.split() for td in columns(table)]
    lines = [[name for names in heads for name in names]]
    for row in table.body:
        if row.apart:
            continue
        line = []
        for names, td in zip(heads, row.cells, strict=True):
            line += _fields(td, len(names))
        lines.append(line)
    return "".join("\t".join(line) + "\n" for line in lines)


def to_tex(table: Table, label: str, caption: str) -> str:
    """A LaTeX table (packages booktabs and graphicx) in plain ASCII.

    caption: text, or markup, which is left out. A header cell over several columns is ruled below.
    """
    lowest = columns(table)
    kinds = "".join("l" if "left" in td.css.split() else "r" for td in lowest)
    lines = [
        r"\begin{table*}",
        rf"\caption{{{escape_tex(_text(caption))}}}",
        rf"\label{{tab:{label}}}",
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{{kinds}}}",
        r"\toprule",
    ]
    grid = _grid(table.head)
    for level, row in enumerate(grid):
        below = grid[level + 1 :]
        lines.append(" & ".join(_heads(row, below[0] if below else None)) + r" \\")
        rules = [
            rf"\cmidrule(lr){{{first + 1}-{last}}}"
            for first, last, td in _spans(row)
            if td.span > 1
        ]
        if rules and below:
            lines.append(" ".join(rules))
    lines.append(r"\midrule")
    for index, row in enumerate(table.body):
        if index and "rule" in row.css.split():
            lines.append(r"\midrule")
        cells = [
            _tex(td) if td.span == 1 else rf"\multicolumn{{{td.span}}}{{l}}{{{_tex(td)}}}"
            for td in row.cells
        ]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def escape_tex(value: object) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(character, character) for character in str(value))


def mark(direction: str) -> Markup:
    """The arrow of an interval that lies above or below zero, else as much room."""
    return {verdicts.ABOVE: UP, verdicts.BELOW: DOWN}.get(direction, UNMARKED)


def interval(low: Cell, high: Cell) -> tuple:
    """[low, high], or a dash where there is none."""
    return (EMPTY,) if low is EMPTY else ("[", low, ", ", high, "]")


def spaced(items: Sequence[Cell | str]) -> tuple:
    """Things with a space between them; a dash between two stays tight."""
    shown: list = []
    for item in items:
        if shown and item != "–" and shown[-1] != "–":
            shown.append(" ")
        shown.append(item)
    return tuple(shown)


def _grid(rows: Sequence[Row]) -> list[list[Td | None]]:
    """Which cell covers each place, with column and row spans spread out."""
    width = sum(td.span for td in rows[0].cells)
    grid: list[list[Td | None]] = [[None] * width for _ in rows]
    for level, row in enumerate(rows):
        for td in row.cells:
            start = grid[level].index(None)
            for covered in grid[level : level + td.rows]:
                covered[start : start + td.span] = [td] * td.span
    return grid


def _spans(row: Sequence[Td | None]) -> list[tuple[int, int, Td]]:
    """(first column, column after the last, cell) of each cell of a header row."""
    found: list[tuple[int, int, Td]] = []
    column = 0
    while column < len(row):
        td = row[column]
        found.append((column, column + td.span, td))
        column += td.span
    return found


def _heads(row: Sequence[Td | None], below: Sequence[Td | None] | None) -> list[str]:
    """LaTeX of a header row; a cell over several rows stands in the last of them."""
    shown = []
    for first, _, td in _spans(row):
        text = "" if below and below[first] is td else _tex(td)
        if td.span > 1:
            shown.append(rf"\multicolumn{{{td.span}}}{{c}}{{{text}}}")
        else:  # over a column of text, the head stands left
            shown.append(text if td.css == "left" else rf"\multicolumn{{1}}{{c}}{{{text}}}")
    return shown


def _fields(td: Td, count: int) -> list[str]:
    """TSV fields of a cell: its text, or its numbers where the column has several names."""
    if count == 1:
        return ["".join(_plain(part) for part in td.parts)]
    cells = [part for part in td.parts if isinstance(part, Cell)]
    if not [cell for cell in cells if cell is not EMPTY]:
        return [""] * count
    if len(cells) != count:
        raise ValueError(f"table: {len(cells)} numbers in a cell with {count} names")
    return [_plain(cell) for cell in cells]


def _plain(part: object) -> str:
    """A TSV field: plain minus, nothing for a dash or an arrow, no tab or line break."""
    if part is EMPTY or (isinstance(part, Markup) and part in MARKS):
        return ""
    return re.sub(r"\s+", " ", _text(part).replace("−", "-").replace("●", "1"))


def _tex(td: Td) -> str:
    return "".join(
        MARKS[part] if isinstance(part, Markup) and part in MARKS else escape_tex(_text(part))
        for part in td.parts
    )


def _text(part: object) -> str:
    """Text of a part; markup without its tags."""
    return part.striptags() if isinstance(part, Markup) else str(part)
