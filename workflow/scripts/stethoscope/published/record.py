"""The published record as data: the paper's surviving tables and sentences, and how to read them.

Tables 1 to 6 and the prose of the paper, as config/published/ holds them; a cell that the text
lost is empty. What needs an empty cell raises `EmptyCell`, so that a check can say that it cannot
be made instead of guessing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from stethoscope.published.recompute import OUR_METHOD
from stethoscope.published.retest import (
    ALL,
    published_comparisons,
    published_grim,
    published_power,
    published_significant,
    published_sweep,
)

OURS = "SP4 14L"  # the paper's main configuration, as its tables spell it
NO_DEEP = "SP4 noDeep"
DILUTED = "SP3.5 17L"

TABLES = ("table1", "table2", "table3", "table4", "table5", "table6", "subject_sizes")


class EmptyCell(ValueError):
    """A cell that a check needs is empty in the surviving text."""


@dataclass(frozen=True)
class Claim:
    """A quantity of the prose: `value` as the record gives it, where it stands, and the words."""

    name: str
    section: str
    value: str
    quote: str

    @property
    def place(self) -> str:
        """Where it stands: "sec. 5.3", "App. B", "Abstract"."""
        if self.section[0].isdigit():
            return f"sec. {self.section}"
        return re.sub(r"^App\.(?=\S)", "App. ", self.section)

    @property
    def numbers(self) -> list[int]:
        """The whole numbers in the value: "5/7" gives 5 and 7."""
        return [int(number) for number in re.findall(r"\d+", self.value)]


@dataclass(frozen=True)
class Record:
    """The published tables (columns as in config/published/) and the sizes of the test sets."""

    table1: pd.DataFrame
    table2: pd.DataFrame
    table3: pd.DataFrame
    table4: pd.DataFrame
    table5: pd.DataFrame
    table6: pd.DataFrame
    text_claims: pd.DataFrame
    subject_sizes: pd.DataFrame

    def claim(self, name: str) -> Claim:
        """A claim of the prose by its claim_id."""
        found = self.text_claims[self.text_claims["claim_id"] == name]
        if len(found) != 1:
            raise ValueError(f"text_claims: expected one row {name}, found {len(found)}")
        row = found.iloc[0]
        if pd.isna(row["value"]):
            raise EmptyCell(f"the value of {name} is not in the surviving text")
        return Claim(name, str(row["section"]), str(row["value"]), str(row["quote"]))

    def cell(self, table: str, row: pd.Series | dict, column: str):
        """A cell of a row; EmptyCell where it is empty."""
        if pd.isna(row[column]):
            raise EmptyCell(f"{column} of {table} is not in the surviving text")
        return row[column]

    def only(self, table: str, **values: object) -> pd.Series:
        """The one row of a table with these values; EmptyCell where there is none."""
        frame = getattr(self, table)
        for column, value in values.items():
            frame = frame[frame[column] == value]
        if len(frame) != 1:
            wanted = ", ".join(f"{column} {value}" for column, value in values.items())
            raise EmptyCell(f"{spelled(table)} has {len(frame)} rows with {wanted}")
        return frame.iloc[0]

    def n_sig(self, table: str, **values: object) -> int:
        """Significant subjects of the row with these values: 5 of "5/7"."""
        return significant(self.cell(table, self.only(table, **values), "sig"))

    def configuration(self, name: str) -> pd.Series:
        """Row of Table 2."""
        return self.only("table2", config=name)

    # --- layers --------------------------------------------------------------------------------

    def layers_at(self, threshold: float) -> set[int]:
        """Layers of Table 6 with SP at or above a threshold."""
        known = self.table6.dropna(subset=["sp"])
        return set(known.loc[known["sp"] >= threshold, "layer"].astype(int))

    def sp(self, layers: Iterable[int]) -> pd.Series:
        """SP by layer, from Table 6, for layers that it lists."""
        return self.table6.set_index("layer")["sp"].reindex(sorted(layers)).dropna()

    def with_sp(self, layers: Iterable[int]) -> str:
        """Layers with their scores, as "14 (SP 4.07), 15 (SP 4.09)"."""
        return (
            ", ".join(f"{layer} (SP {sp:.2f})" for layer, sp in self.sp(layers).items()) or "none"
        )

    @cached_property
    def threshold(self) -> float:
        """SP threshold of the main configuration (claim C11)."""
        return float(self.claim("C11").value)

    @cached_property
    def total_layers(self) -> int:
        """Layers of the model (claim C19)."""
        return int(self.claim("C19").value)

    @cached_property
    def selected(self) -> set[int]:
        """The layers that the main configuration selects, by its threshold."""
        return self.layers_at(self.threshold)

    @cached_property
    def deep(self) -> set[int]:
        """The layers that noDeep leaves out (claim C26)."""
        return layer_set(self.claim("C26").value)

    def layers_of(self, configuration: str) -> set[int] | None:
        """Layers of a configuration as its name or the prose defines them; None where neither."""
        if configuration == NO_DEEP:
            return self.selected - self.deep
        if found := re.fullmatch(r"SP(\d+(?:\.\d+)?) \d+L", configuration):
            return self.layers_at(float(found[1]))
        if configuration.startswith("MID"):
            return layer_set(self.claim("C28").value)
        return None

    # --- recomputed from the tables ------------------------------------------------------------

    @property
    def sizes(self) -> pd.Series:
        """Problems by subject."""
        return self.subject_sizes.set_index("subject")["n"]

    @cached_property
    def grim(self) -> pd.DataFrame:
        """`audit.published_grim`."""
        return published_grim(self.table1, self.table4, self.subject_sizes)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """`audit.published_comparisons`, by method, reference and subject."""
        table = published_comparisons(self.table1, self.subject_sizes)
        return table.set_index(["method", "reference", "subject"])

    def compared(self, method: str, reference: str, subject: str = ALL) -> pd.Series:
        """One row of the comparisons; EmptyCell where a count is unknown."""
        row = self.comparisons.loc[(method, reference, subject)]
        if pd.isna(row["p_lmeval"]):
            raise EmptyCell(f"an accuracy of {method} or {reference} on {subject} is missing")
        return row

    def compared_subjects(self, method: str, reference: str) -> pd.DataFrame:
        """The subjects' rows of the comparisons of one pair, those that could be made."""
        table = self.comparisons.reset_index()
        pair = (table["method"] == method) & (table["reference"] == reference)
        table = table[pair].set_index("subject")
        return table[table.index.isin(self.sizes.index)].dropna(subset=["p_lmeval"])

    @cached_property
    def significant(self) -> pd.DataFrame:
        """`audit.published_significant`, by method and reference."""
        table = published_significant(self.comparisons.reset_index())
        return table.set_index(["method", "reference"])

    @cached_property
    def sweep(self) -> pd.DataFrame:
        """`audit.published_sweep`, the alphas whose accuracy survives."""
        n = int(self.sizes["NT"])
        return published_sweep(self.table1, self.table4, n).dropna(subset=["correct"])

    @property
    def swept(self) -> pd.DataFrame:
        """`sweep`; EmptyCell where nothing of it survives."""
        if len(self.sweep) < 2:
            raise EmptyCell("the accuracies of Table 4 are not in the surviving text")
        return self.sweep

    @cached_property
    def power(self) -> pd.DataFrame:
        """`audit.published_power` at the effect of claim C20, by subject."""
        gain = float(self.claim("C20").value) / 100
        table = published_power(self.table1, self.subject_sizes, gain)
        return table.dropna(subset=["power_at_gain"]).set_index("subject")

    @cached_property
    def statements(self) -> pd.DataFrame:
        """Every #Sig that is printed for a configuration: `configuration alpha n_sig where`."""
        alpha = float(self.claim("C39").value)
        rows = [
            (OURS, alpha, int(row["n_sig_of_7"]), "Table 1")
            for _, row in self.table1.iterrows()
            if row["method"] == OUR_METHOD and pd.notna(row["n_sig_of_7"])
        ]
        for table, column in (("table2", "config"), ("table5", "configuration")):
            for _, row in getattr(self, table).dropna(subset=["sig"]).iterrows():
                rows.append((row[column], row["alpha"], significant(row["sig"]), spelled(table)))
        for _, row in self.table4.dropna(subset=["sig"]).iterrows():
            rows.append((OURS, row["alpha"], significant(row["sig"]), "Table 4"))
        for name in ("C05", "C41"):
            rows.append((OURS, alpha, self.claim(name).numbers[0], name))
        without, ours = self.claim("C27").numbers[0::2]
        rows += [(OURS, alpha, ours, "C27")]
        rows += [(NO_DEEP, self.configuration(NO_DEEP)["alpha"], without, "C27")]
        return pd.DataFrame(rows, columns=["configuration", "alpha", "n_sig", "where"])


def significant(text: str) -> int:
    """The number of significant subjects in "5/7"."""
    found = re.fullmatch(r"(\d+)/\d+", str(text))
    if not found:
        raise ValueError(f"#Sig: {text!r} is not a number of subjects such as 5/7")
    return int(found[1])


def layer_set(text: str) -> set[int]:
    """The layers of "14, 15, 30-32" or "layers 17–27"."""
    layers: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:[-–](\d+))?", text):
        layers |= set(range(int(first), int(last or first) + 1))
    return layers


def spans(layers: Iterable[int]) -> str:
    """A set of layers as "0-5, 8, 33"; "none" if empty."""
    found: list[list[int]] = []
    for layer in sorted(layers):
        if found and layer == found[-1][1] + 1:
            found[-1][1] = layer
        else:
            found.append([layer, layer])
    parts = [str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a}-{b}" for a, b in found]
    return ", ".join(parts) or "none"


def spelled(table: str) -> str:
    """A table's name as in the paper: "Table 4"."""
    return re.sub(r"table(\d)", r"Table \1", table)
