"""The published record as data: the paper's surviving tables and sentences, with their readers.

Tables 1 to 6 and quotes of the paper are in config/published/; cells that the surviving text lost
are empty. Reading an empty cell raises `EmptyCell`, which leaves a check undecided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import pandas as pd

from stethoscope.published import recompute
from stethoscope.published.formulas import published_formulas
from stethoscope.published.recompute import ALL, BASE, OURS, TARGET

MAIN = "SP4 14L"  # the paper's main configuration, as in its tables
NO_DEEP = "SP4 noDeep"
DILUTED = "SP3.5 17L"


class EmptyCell(ValueError):
    """A cell that a check needs is empty in the surviving text."""


@dataclass(frozen=True)
class Claim:
    """A quantity of the prose: `value` as the record gives it, its section, and the words."""

    name: str
    section: str
    value: str
    quote: str

    @property
    def where(self) -> str:
        """The section as "sec. 5.3", "App. B", "Abstract"."""
        if self.section[0].isdigit():
            return f"sec. {self.section}"
        return re.sub(r"^App\.(?=\S)", "App. ", self.section)


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

    @classmethod
    def load(cls, paths: Mapping[str, str | Path]) -> Record:
        """The record from its CSV files, by the names of the fields; values of claims are text."""
        names = [field.name for field in fields(cls)]
        types = {"text_claims": str}
        return cls(**{name: pd.read_csv(paths[name], dtype=types.get(name)) for name in names})

    def claim(self, name: str) -> Claim:
        """A claim of the prose by its claim_id."""
        rows = self.text_claims[self.text_claims["claim_id"] == name]
        if len(rows) != 1:
            raise ValueError(f"text_claims: expected one row {name}, found {len(rows)}")
        row = rows.iloc[0]
        if pd.isna(row["value"]):
            raise EmptyCell(f"the value of {name} is not in the surviving text")
        return Claim(name, *(str(row[column]) for column in ("section", "value", "quote")))

    def numbers(self, name: str) -> list[int]:
        """The whole numbers in a claim's value: "5/7" gives 5 and 7."""
        return [int(number) for number in re.findall(r"\d+", self.claim(name).value)]

    def cell(self, table: str, column: str, **row: object):
        """A cell of the one row of a table with these values; EmptyCell where there is none."""
        frame = getattr(self, table)
        for name, value in row.items():
            frame = frame[frame[name] == value]
        if len(frame) != 1 or pd.isna(frame.iloc[0][column]):
            wanted = ", ".join(f"{name} {value}" for name, value in row.items())
            raise EmptyCell(f"{column} of {table} is not in the surviving text for {wanted}")
        return frame.iloc[0][column]

    def n_sig(self, table: str, **row: object) -> int:
        """Significant subjects of the row with these values: 5 of "5/7"."""
        return significant(self.cell(table, "sig", **row))

    @property
    def sizes(self) -> pd.Series:
        """Problems by subject."""
        return self.subject_sizes.set_index("subject")["n"]

    # --- layers --------------------------------------------------------------------------------

    @cached_property
    def sp(self) -> pd.Series:
        """SP by layer, of the layers that Table 6 lists."""
        return self.table6.dropna(subset=["sp"]).set_index("layer")["sp"]

    def with_sp(self, layers: Iterable[int]) -> str:
        """Layers with their scores, as "14 (SP 4.07), 15 (SP 4.09)"."""
        scores = self.sp.reindex(sorted(layers)).dropna().items()
        return ", ".join(f"{layer} (SP {sp:.2f})" for layer, sp in scores) or "none"

    @property
    def threshold(self) -> float:
        """SP threshold of the main configuration (claim C11)."""
        return float(self.claim("C11").value)

    @property
    def total_layers(self) -> int:
        """Layers of the model (claim C19)."""
        return int(self.claim("C19").value)

    @cached_property
    def selected(self) -> set[int]:
        """The layers that the main configuration selects, by its threshold."""
        return set(self.sp.index[self.sp >= self.threshold])

    def claimed_layers(self, name: str) -> set[int]:
        """The layers that a claim names."""
        return layer_set(self.claim(name).value)

    def layers_of(self, configuration: str) -> set[int] | None:
        """Layers of an SP configuration as its name or the prose (C26) defines them; else None."""
        if configuration == NO_DEEP:
            return self.selected - self.claimed_layers("C26")
        named = re.fullmatch(r"SP(\d+(?:\.\d+)?) \d+L", configuration)
        return set(self.sp.index[self.sp >= float(named[1])]) if named else None

    @cached_property
    def raw_variants(self) -> pd.DataFrame:
        """Rows of Table 2 whose name begins with SP, with their `layers` and `n_sig`."""
        table = self.table2[self.table2["config"].str.startswith("SP")].dropna(subset=["sig"])
        layers = [self.layers_of(name) for name in table["config"]]
        return table.assign(layers=layers, n_sig=table["sig"].map(significant))

    # --- recomputed from the tables ------------------------------------------------------------

    @cached_property
    def recomputed(self) -> dict[str, pd.DataFrame]:
        """The tables that `recompute` and `formulas` make of the record, by name."""
        sizes, gain = self.subject_sizes, float(self.claim("C20").value) / 100
        comparisons = recompute.published_comparisons(self.table1, sizes)
        accuracies = self.table1.set_index("method")[f"{TARGET}_acc_pct"]
        z, p = (self.claim(name).value for name in ("C03", "C04"))
        return {
            "table1": recompute.published_table1(comparisons),
            "comparisons": comparisons,
            "significant": recompute.published_significant(comparisons),
            "sweep": recompute.published_sweep(self.table1, self.table4, sizes),
            "grim": recompute.published_grim(self.table1, self.table4, sizes),
            "power": recompute.published_power(self.table1, sizes, gain),
            "formulas": published_formulas(*accuracies[[BASE, OURS]], self.sizes[TARGET], z, p),
        }

    def compared(self, method: str, reference: str, subject: str = ALL) -> pd.Series:
        """One row of the comparisons; EmptyCell where a count is unknown."""
        table = self.recomputed["comparisons"].set_index(["method", "reference", "subject"])
        row = table.loc[(method, reference, subject)]
        if pd.isna(row["p_lmeval"]):
            raise EmptyCell(f"an accuracy of {method} or {reference} on {subject} is missing")
        return row.rename(subject)

    def subjects_of(self, method: str, reference: str) -> pd.DataFrame:
        """The comparisons of a pair that could be made, by single subject."""
        table = self.recomputed["comparisons"].set_index(["method", "reference"])
        table = table.loc[(method, reference)].set_index("subject").dropna(subset=["p_lmeval"])
        return table[table.index.isin(self.sizes.index)]

    @property
    def swept(self) -> pd.DataFrame:
        """The rows of the sweep whose accuracy survives; EmptyCell where there are none."""
        table = self.recomputed["sweep"].dropna(subset=["correct"])
        if len(table) < 2:
            raise EmptyCell("the accuracies of Table 4 are not in the surviving text")
        return table.astype({"correct": int})

    @cached_property
    def statements(self) -> pd.DataFrame:
        """Every printed #Sig of a configuration: `configuration alpha n_sig where`."""
        alpha = float(self.claim("C39").value)
        without, _, ours, _ = self.numbers("C27")
        first = self.table1.set_index("method")["n_sig_of_7"].get(OURS)
        rows = [(MAIN, alpha, first, "Table 1")] if pd.notna(first) else []
        for where in ("Table 2", "Table 5", "Table 4"):
            table = getattr(self, where.lower().replace(" ", ""))
            table = table.rename(columns={"config": "configuration"}).dropna(subset=["sig"])
            for row in table.itertuples():
                name = getattr(row, "configuration", MAIN)  # Table 4 is of the main one
                rows.append((name, row.alpha, significant(row.sig), where))
        rows += [(MAIN, alpha, self.numbers(name)[0], name) for name in ("C05", "C41")]
        rows += [(MAIN, alpha, ours, "C27")]
        rows += [(NO_DEEP, self.cell("table2", "alpha", config=NO_DEEP), without, "C27")]
        columns = ["configuration", "alpha", "n_sig", "where"]
        return pd.DataFrame(rows, columns=columns).astype({"n_sig": int})


def significant(text: str) -> int:
    """The number of significant subjects in "5/7"."""
    match = re.fullmatch(r"(\d+)/\d+", str(text))
    if not match:
        raise ValueError(f"#Sig: {text!r} is not a number of subjects such as 5/7")
    return int(match[1])


def layer_set(text: str) -> set[int]:
    """The layers of "14, 15, 30-32" or "layers 17–27"."""
    layers: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:[-–](\d+))?", text):
        layers |= set(range(int(first), int(last or first) + 1))
    return layers


def spans(layers: Iterable[int]) -> str:
    """A set of layers as "0-5, 8, 33"; "none" if empty."""
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    parts = [str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a}-{b}" for a, b in runs]
    return ", ".join(parts) or "none"
