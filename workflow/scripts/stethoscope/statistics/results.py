"""One interface to all measured tables of a study, for summaries and findings.

Every table is a frame with the numbers as the statistics rules wrote them. Nothing here formats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from stethoscope.problems.records import SUBJECTS

POOLED, ALL, OTHERS, BASE = "pooled", "all", "others", "base"
SIGNIFICANT = 0.05  # the paper's level (section 4)
ABOVE, BELOW, NONE = "above", "below", "none"


def read_table(path: str | Path) -> pd.DataFrame:
    """A table: of a .tsv floats come back bit for bit, seeds and names as text; of a .csv all text.

    A .csv is published numbers, which are printed as they were published: 0.80, not 0.8.
    """
    blank = {"keep_default_na": False, "na_values": [""]}
    if str(path).endswith(".csv"):
        return pd.read_csv(path, dtype=str, **blank)
    texts = ("seed", "edit", "spec", "reference", "selection", "label", "layers")
    types = dict.fromkeys(texts, str) | dict.fromkeys(("draw", "selection_draw"), "Int64")
    return pd.read_csv(path, sep="\t", float_precision="round_trip", dtype=types, **blank)


def direction(low: float, high: float) -> str:
    """Where an interval lies: above zero, below zero, or neither (also where there is none)."""
    return ABOVE if low > 0 else BELOW if high < 0 else NONE


@dataclass(frozen=True)
class Paired:
    """An edit against a reference on the same problems; differences are fractions."""

    difference: float
    ci_low: float
    ci_high: float
    n: int
    gained: int
    lost: int
    p: float
    p_holm: float

    @property
    def direction(self) -> str:
        """Where the interval lies."""
        return direction(self.ci_low, self.ci_high)

    def columns(self, suffix: str = "") -> dict[str, Any]:
        """The comparison as columns of a row: `difference_target` with the suffix `target`."""
        end = f"_{suffix}" if suffix else ""
        values = {**vars(self), "direction": self.direction}
        return {f"{name}{end}": value for name, value in values.items()}


@dataclass(frozen=True)
class Results:
    """The measured tables of a study by name, and the study itself (statistics/study.json)."""

    tables: Mapping[str, pd.DataFrame]
    study: Mapping[str, Any]

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.tables[name]

    # --- the study ---------------------------------------------------------------------------

    @cached_property
    def seeds(self) -> list[str]:
        """Seeds as text, as in the tables' column `seed`."""
        return [str(seed) for seed in self.study["seeds"]]

    @property
    def view(self) -> str:
        """Value of column `seed` in the rows of the whole study: its only seed, or pooled."""
        return self.seeds[0] if len(self.seeds) == 1 else POOLED

    @property
    def target(self) -> str:
        """The target subject."""
        return self.study["study"]["target"]

    @cached_property
    def subjects(self) -> list[str]:
        """The evaluated subjects in the order of the paper's tables."""
        evaluated = set(self["accuracy"]["subject"])
        if self.target not in evaluated:
            raise ValueError(f"study: target '{self.target}' is not among the subjects evaluated")
        return [subject for subject in SUBJECTS if subject in evaluated]

    # --- edits -------------------------------------------------------------------------------

    @cached_property
    def edits(self) -> pd.DataFrame:
        """edits.tsv by edit, in the order of the report; `title` is the label with the draw."""
        edits = self["edits"].set_index("edit", drop=False)
        draw = edits["draw"].map(lambda draw: "" if pd.isna(draw) else f", draw {draw:.0f}")
        edits["title"] = edits["label"] + draw
        return edits

    @cached_property
    def evaluated(self) -> list[str]:
        """The edits that answered test problems, base first."""
        answered = set(self["accuracy"]["edit"])
        return [edit for edit in self.edits.index if edit in answered]

    @cached_property
    def unevaluated(self) -> list[str]:
        """The edits with an energy and no evaluation."""
        measured = set(self["energy"]["edit"])
        return [e for e in self.edits.index if e in measured and e not in self.evaluated]

    def of(self, role: str) -> list[str]:
        """The evaluated edits of a role (each draw of random layers; else mostly one)."""
        return [edit for edit in self.evaluated if self.edits.at[edit, "role"] == role]

    def one(self, role: str) -> str | None:
        """The first evaluated edit of a role; None if the study has none."""
        return next(iter(self.of(role)), None)

    def spec(self, edit: str) -> Mapping[str, Any]:
        """The settings of an edit in the study; empty for base."""
        return self.study["edits"].get(self.edits.at[edit, "spec"], {})

    def reproducing(self, configuration: str) -> str | None:
        """The evaluated edit that reproduces a configuration of the paper's tables, or None."""
        return next(
            (e for e in self.evaluated if configuration in self.spec(e).get("published", ())), None
        )

    # --- numbers -----------------------------------------------------------------------------

    @cached_property
    def _accuracy(self) -> dict[tuple, dict[str, Any]]:
        return rows_by(self["accuracy"], "seed", "edit", "subject")

    def accuracy(self, edit: str, subject: str, seed: str | None = None) -> float:
        """Accuracy on test at the chosen alpha; over all seeds unless one is named."""
        correct, n = self.counts(edit, subject, seed)
        return correct / n

    def counts(self, edit: str, subject: str, seed: str | None = None) -> tuple[int, int]:
        """(right answers, problems) on test; over all seeds unless one is named."""
        seeds = [seed] if seed else self.seeds
        rows = [self._accuracy[s, edit, subject] for s in seeds]
        return sum(row["correct"] for row in rows), sum(row["n"] for row in rows)

    def alphas(self, edit: str, seed: str | None = None) -> list[float]:
        """The chosen alphas, without repetition, of one seed or of all; none for base."""
        if edit == BASE:
            return []
        seeds = [seed] if seed else self.seeds
        return list(dict.fromkeys(self._accuracy[s, edit, ALL]["alpha"] for s in seeds))

    @cached_property
    def _comparisons(self) -> dict[tuple, dict[str, Any]]:
        return rows_by(self["comparisons"], "seed", "edit", "reference", "subject")

    def paired(
        self, edit: str | None, reference: str | None, subject: str, seed: str | None = None
    ) -> Paired | None:
        """Edit against reference on the same problems; None if they were not compared.

        A comparison of the reference against the edit is reversed.
        """
        for sign, first, second in ((1, edit, reference), (-1, reference, edit)):
            if row := self._comparisons.get((seed or self.view, first, second, subject)):
                low, high, b, c = row["ci_low"], row["ci_high"], row["b"], row["c"]
                if sign < 0:
                    low, high, b, c = -high, -low, c, b
                correct = sign * (row["correct_edit"] - row["correct_reference"])
                tests = row["p_mcnemar"], row["p_holm"]
                return Paired(correct / row["n"], low, high, row["n"], b, c, *tests)
        return None

    def against_base(self, edit: str, subject: str) -> dict[str, Any]:
        """The row of comparisons.tsv of an edit against base."""
        return self._comparisons[self.view, edit, BASE, subject]

    def significant(self, edit: str, p: str) -> tuple[int, int]:
        """Numbers of subjects that gain and that lose against base at p < .05.

        p: the column with the p-value, such as p_z or p_holm.
        """
        rows = pd.DataFrame([self.against_base(edit, subject) for subject in self.subjects])
        return gains_and_losses(rows[p], rows["correct_edit"] - rows["correct_reference"])

    @cached_property
    def _energy(self) -> dict[tuple, list[dict[str, Any]]]:
        rows: dict[tuple, list[dict[str, Any]]] = {}
        for row in self["energy"].to_dict("records"):
            rows.setdefault((row["edit"], row["seed"]), []).append(row)
        return rows

    def energy(self, edit: str, seed: str) -> dict[str, Any] | None:
        """The row of energy.tsv of an edit at its chosen alpha; None for base.

        An edit that was not evaluated has no chosen alpha; its first one is used.
        """
        if edit == BASE:
            return None
        rows = self._energy[edit, seed]
        if edit in self.evaluated:
            (alpha,) = self.alphas(edit, seed)
            rows = [row for row in rows if row["alpha"] == alpha]
        return rows[0]

    def swept(self, edit: str | None) -> pd.DataFrame:
        """Rows of sweep.tsv of an edit by ascending alpha; pooled, or of the first seed."""
        table = self["sweep"]
        seed = self.view if (table["seed"] == self.view).any() else self.seeds[0]
        rows = table[(table["seed"] == seed) & (table["edit"] == edit)]
        return rows.sort_values("alpha", kind="stable")

    def by_seed(self) -> Iterator[tuple[str, str]]:
        """(edit, seed) of all evaluated edits, seeds of an edit together."""
        for edit in self.evaluated:
            for seed in self.seeds:
                yield edit, seed

    def scored_sae(self) -> str:
        """The SAE whose SP picks the layers of ours; else the first."""
        ours = self.one("ours")
        selection = self.spec(ours)["selection"] if ours else None
        names = list(dict.fromkeys(self["specificity"]["sae"]))
        named = self.study["selections"].get(selection, {}).get("sae")
        return named if named in names else names[0]


def rows_by(table: pd.DataFrame, *columns: str) -> dict[tuple, dict[str, Any]]:
    """Rows by the values of the columns that name them."""
    return {tuple(row[c] for c in columns): row for row in table.to_dict("records")}


def gains_and_losses(p: pd.Series, difference: pd.Series) -> tuple[int, int]:
    """Numbers of significant gains and of significant losses."""
    shown = p < SIGNIFICANT
    return int((shown & (difference > 0)).sum()), int((shown & (difference < 0)).sum())
