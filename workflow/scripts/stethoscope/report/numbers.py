"""Printed numbers that know where they come from.

Every number of the report is a cell of a file that a rule wrote: file, row, column. `Numbers`
formats it and records it, so that a reader can go from the page to the file. Nothing is computed.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from stethoscope.runtime.files import sha256_bytes

REPOSITORY = Path(__file__).resolve().parents[4]
INPUT_DATA = "input data"  # the "rule" of files that are committed, not computed


@dataclass(frozen=True)
class Source:
    """One input of the report: a table (`rows`, values as written) or a JSON `document`."""

    name: str
    path: str  # relative to the repository root
    sha256: str
    rule: str
    columns: tuple[str, ...] = ()
    rows: tuple[Mapping[str, str], ...] = ()
    document: Any = None

    @classmethod
    def load(cls, name: str, path: str | Path, rule: str, root: str | Path = ".") -> Source:
        """Read a .tsv, .csv or .json file once; digest and content are of the same bytes."""
        where = _relative(path, root)
        data = Path(path).read_bytes()
        about = {"name": name, "path": where, "sha256": sha256_bytes(data), "rule": rule}
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{where}: expected UTF-8, found other bytes") from None
        if where.endswith(".json"):
            try:
                return cls(**about, document=json.loads(text))
            except json.JSONDecodeError as error:
                raise ValueError(f"{where}: not JSON: {error}") from None
        reader = csv.DictReader(io.StringIO(text), delimiter="\t" if where[-4:] == ".tsv" else ",")
        rows = tuple(reader)
        if any(None in row or None in row.values() for row in rows):
            raise ValueError(f"{where}: a row has more or fewer fields than the header")
        return cls(**about, columns=tuple(reader.fieldnames or ()), rows=rows)

    def require(self, column: str) -> None:
        """Raise ValueError, naming the columns that there are, if the table lacks this one."""
        if column not in self.columns:
            raise ValueError(
                f"{self.path}: no column '{column}' (found: {', '.join(self.columns)})"
            )


@dataclass(frozen=True)
class Cell:
    """A number as printed. `value` is None where the file has none: an em dash, not recorded."""

    id: str
    text: str
    value: Any
    title: str

    def __html__(self) -> str:
        if self.value is None:
            return Markup('<span class="none">—</span>')  # not escaped inside other markup
        return Markup('<span class="num" data-cell="{}" title="{}">{}</span>').format(
            self.id, self.title, self.text
        )

    def __str__(self) -> str:
        return self.text


EMPTY = Cell("", "—", None, "")


class Numbers:
    """All printed numbers, in the order in which they are first printed."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = dict(sources)
        self._records: list[dict[str, Any]] = []
        self._cells: dict[tuple, Cell] = {}

    def __call__(self, source: str, row: int, column: str, form: str = "raw") -> Cell:
        """The value of one column in one row of a table, printed in a format of `FORMATS`."""
        table = self.sources[source]
        table.require(column)
        written = table.rows[row][column].strip()
        if is_empty(written):
            return EMPTY
        number = to_number(written)
        value = written if number is None or math.isinf(number) else number
        text = FORMATS[form](written)
        key = (table.path, row, column, text)
        if key not in self._cells:
            name = f"c{len(self._records) + 1:04d}"
            place = {"file": table.path, "row": row, "column": column}
            origin = {"sha256": table.sha256, "rule": table.rule}
            self._records.append({"id": name, "text": text, "value": value} | place | origin)
            self._cells[key] = Cell(name, text, value, f"{table.path} · row {row + 1}, {column}")
        return self._cells[key]

    def records(self) -> list[dict[str, Any]]:
        """One record for each printed number: what `cells.json` holds."""
        return list(self._records)


# --- formats ---------------------------------------------------------------------------------


def decimals(
    places: int, scale: float = 1.0, signed: bool = False, smallest: float = 0.0
) -> Callable[[str], str]:
    """A format: value times `scale`, rounded; positive numbers below `smallest` print as "<...".

    Of several numbers with spaces between them each. Text that is no number prints as it is.
    """

    def text(written: str) -> str:
        value = to_number(written)
        if value is None:  # several numbers side by side, or words
            return " ".join(map(text, written.split(" "))) if " " in written else written
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        if 0 <= value < smallest:
            return f"<{smallest}"
        number = round(value * scale, places)
        sign = "−" if number < 0 else "+" if signed and number > 0 else ""
        return f"{sign}{abs(number):.{places}f}"

    return text


def as_written(written: str) -> str:
    """A number as the file has it, with a minus sign; text as it is."""
    return written if to_number(written) is None else written.replace("-", "−")


def layers(written: str) -> str:
    """Layers that are written as 0,1,2,5: three and more in a row by their ends, 0–2,5.

    Several lists side by side (one a seed) are separated by " · ".
    """
    shown = []
    for group in written.split(" · "):
        runs: list[list[int]] = []
        for layer in map(int, group.split(",")):
            if runs and layer == runs[-1][-1] + 1:
                runs[-1].append(layer)
            else:
                runs.append([layer])
        ends = (f"{r[0]}–{r[-1]}" if len(r) > 2 else ",".join(map(str, r)) for r in runs)
        shown.append(",".join(ends))
    return " · ".join(shown)


FORMATS: dict[str, Callable[[str], str]] = {
    "raw": as_written,
    "layers": layers,
    "integer": decimals(0),
    "fixed1": decimals(1),
    "fixed2": decimals(2),
    "fixed3": decimals(3),
    "fixed4": decimals(4),
    "fixed7": decimals(7),
    "signed2": decimals(2, signed=True),
    "percent": decimals(1, 100),
    "percent2": decimals(2, 100),
    "points": decimals(1, 100, signed=True),
    "p": decimals(4, smallest=0.0001),
}


def is_empty(written: str) -> bool:
    """Whether a field holds nothing: what pandas writes for a missing value."""
    return written.strip().lower() in ("", "nan", "na", "<na>")


def to_number(value: object) -> float | int | None:
    """A number if the value is one or spells one; whole numbers stay integers."""
    if isinstance(value, bool):
        return None
    for kind in (int, float):
        try:
            number = kind(str(value))
        except ValueError:
            continue
        return None if math.isnan(number) else number
    return None


def _relative(path: str | Path, root: str | Path) -> str:
    """A path below the working directory or the repository; results never name other folders."""
    full = Path(root, path).resolve()
    for base in (Path(root).resolve(), REPOSITORY):
        if full.is_relative_to(base):
            return full.relative_to(base).as_posix()
    raise ValueError(f"{full.name}: expected a file below the working directory or the repository")
