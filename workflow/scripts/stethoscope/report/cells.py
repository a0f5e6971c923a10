"""Printed numbers that know where they come from.

Every number of the report goes through `Cells`: it is looked up in a file that a rule wrote (or
derived from such numbers), formatted, and recorded with file, pointer, sha256 and rule, so that a
reader can go from the page to the file and a test can check that the two agree.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stethoscope.report import numbers
from stethoscope.report.numbers import EMPTY, Cell, resolve

INPUT_DATA = "input data"  # the "rule" of files that are committed, not computed


@dataclass(frozen=True)
class Source(numbers.Source):
    """One input of the report, in which rows can be selected by their values."""

    _index: dict = field(default_factory=dict, repr=False, compare=False)  # of `find`

    def find(self, **selector: object) -> list[int]:
        """Indices of the rows whose columns have these values (0.8 equals 0.80)."""
        for column in selector:
            if column not in self.columns:
                found = ", ".join(self.columns)
                raise ValueError(f"{self.path}: no column '{column}' (found: {found})")
        columns = tuple(selector)
        if columns not in self._index:
            groups: dict[tuple, list[int]] = {}
            for index, row in enumerate(self.rows):
                groups.setdefault(tuple(_key(row[c]) for c in columns), []).append(index)
            self._index[columns] = groups
        wanted = tuple(_key(value) for value in selector.values())
        return list(self._index[columns].get(wanted, ()))

    def only(self, **selector: object) -> int:
        """Index of the one row with these values."""
        found = self.find(**selector)
        if len(found) != 1:
            wanted = ", ".join(f"{column}={value}" for column, value in selector.items())
            raise ValueError(f"{self.path}: expected one row with {wanted}, found {len(found)}")
        return found[0]

    def values(self, column: str, **selector: object) -> list[str]:
        """Distinct values of a column in order of appearance, in the rows that are selected."""
        self.find(**{column: ""})  # names a missing column
        return list(dict.fromkeys(self.rows[index][column] for index in self.find(**selector)))


@dataclass(frozen=True)
class Format:
    """How a number is printed: value times `scale`, rounded to `decimals`; None prints as is."""

    name: str
    decimals: int | None = None
    scale: float = 1.0
    signed: bool = False
    smallest: float = 0.0  # positive numbers below it print as "<smallest"

    def __call__(self, value: float | str) -> str:
        if self.decimals is None or isinstance(value, str):
            shown = _shown(value)
            return shown.replace("-", "−") if _number(value) is not None else shown
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        if 0 <= value < self.smallest:
            return f"<{self.smallest}"
        number = round(value * self.scale, self.decimals)
        sign = "−" if number < 0 else "+" if self.signed and number > 0 else ""
        return f"{sign}{abs(number):.{self.decimals}f}"


class Layers(Format):
    """Layers that are written as 0,1,2,5: three and more in a row by their ends, 0–2,5."""

    def __call__(self, value: float | str) -> str:
        runs: list[list[int]] = []
        for layer in map(int, str(value).split(",")):
            if runs and layer == runs[-1][-1] + 1:
                runs[-1].append(layer)
            else:
                runs.append([layer])
        return ",".join(
            f"{run[0]}–{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs
        )


RAW = Format("as written")
LAYERS = Layers("layers")
INTEGER = Format("integer", 0)
FIXED1 = Format("1 decimal", 1)
FIXED2 = Format("2 decimals", 2)
FIXED3 = Format("3 decimals", 3)
SIGNED2 = Format("2 decimals, signed", 2, signed=True)
PERCENT = Format("percent, 1 decimal", 1, 100)
PERCENT2 = Format("percent, 2 decimals", 2, 100)
POINTS = Format("percentage points, 1 decimal, signed", 1, 100, signed=True)
PVALUE = Format("p, 4 decimals", 4, smallest=0.0001)


class Cells:
    """Registry of all printed numbers, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._records: dict[tuple, dict[str, Any]] = {}
        self._cells: dict[str, Cell] = {}

    def number(
        self, source: Source, row: int | Mapping[str, object], column: str, form: Format = RAW
    ) -> Cell:
        """The value of one column in one row, selected by its index or by column values."""
        index = row if isinstance(row, int) else source.only(**row)
        if column not in source.columns:
            found = ", ".join(source.columns)
            raise ValueError(f"{source.path}: no column '{column}' (found: {found})")
        written = source.rows[index][column].strip()
        if written.lower() in ("", "nan", "na", "<na>"):
            return EMPTY
        number = _number(written)
        value = written if number is None or math.isinf(number) else number
        shown = form(number) if number is not None and form.decimals is not None else form(written)
        return self._from_file(source, f"/{index}/{_escaped(column)}", value, shown, form)

    def pointer(self, source: Source, pointer: str, form: Format = RAW) -> Cell:
        """The value at a JSON pointer (RFC 6901) of a JSON document."""
        value = resolve(source.document, pointer, source.path)
        if value is None:
            return EMPTY
        return self._from_file(source, pointer, value, form(value), form)

    def derived(
        self,
        formula: str,
        function: Callable[[Sequence[Any]], float | int],
        parents: Sequence[Cell],
        form: Format,
    ) -> Cell:
        """function([values of the parents]), recorded with their ids; empty if one of them is."""
        if not parents or any(parent.value is None for parent in parents):
            return EMPTY
        ids = [parent.id for parent in parents]
        value = function([parent.value for parent in parents])
        record = {"file": None, "pointer": None, "sha256": None, "rule": None}
        record |= {"formula": formula, "parents": ids}
        shown = " ".join(ids) if len(ids) <= 6 else f"{len(ids)} numbers, {ids[0]} to {ids[-1]}"
        return self._register(
            (formula, *ids), value, form, form(value), record, title=(f"{formula} · {shown}")
        )

    def records(self) -> list[dict[str, Any]]:
        """One record a printed number: what `cells.json` holds."""
        return list(self._records.values())

    def _from_file(self, source: Source, pointer: str, value: Any, text: str, form: Format) -> Cell:
        record = {"file": source.path, "pointer": pointer}
        record |= {"sha256": source.sha256, "rule": source.rule}
        title = f"{source.path} · {pointer}"
        return self._register((source.path, pointer), value, form, text, record, title)

    def _register(
        self, key: tuple, value: Any, form: Format, text: str, record: dict, title: str
    ) -> Cell:
        key = (*key, form.name)
        if key not in self._records:
            name = f"d{len(self._records) + 1:04d}"
            about = {"id": name, "text": text, "value": value, "format": form.name}
            self._records[key] = about | record
            self._cells[name] = Cell(name, text, value, title)
        return self._cells[self._records[key]["id"]]


def _key(value: object) -> object:
    """What two spellings of one value share: the number, or the text."""
    number = _number(value)
    return str(value) if number is None else number


def _number(value: object) -> float | int | None:
    """A number if the value is one or spells one; whole numbers stay integers."""
    if isinstance(value, bool):
        return None
    try:
        return int(str(value))
    except ValueError:
        try:
            number = float(str(value))
        except ValueError:
            return None
        return None if math.isnan(number) else number


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _escaped(column: str) -> str:
    return column.replace("~", "~0").replace("/", "~1")
