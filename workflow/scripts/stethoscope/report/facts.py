"""What a report knows: the edits of a study and their numbers, as cells (paper, section 5).

Tables, findings and figures ask a `Report` for numbers; each number it hands out is registered
with the file that it came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markupsafe import Markup

from stethoscope.problems.records import SUBJECTS
from stethoscope.report import verdicts
from stethoscope.report.cells import (
    EMPTY,
    INPUT_DATA,
    INTEGER,
    PERCENT,
    POINTS,
    PVALUE,
    SIGNED2,
    Cell,
    Cells,
    Format,
    Source,
    resolve,
)
from stethoscope.report.numbers import Numbers

# Spelled as in statistics.paired, which is not imported: it needs scipy, a page does not.
POOLED, ALL, OTHERS = "pooled", "all", "others"
SIGNIFICANT = 0.05  # the paper's level (section 4)
DRAWS_FOR_RANK = 19  # from here on 1 / (draws + 1) reaches .05

STATISTICS = (
    *("accuracy", "alphas", "comparisons", "energy", "interference"),
    *("specificity", "saes", "selectors"),
)
SP_EXAMINED = ("sp_stability", "sp_measures", "sp_sensitivity")
CORRECTED = ("families", "noninferiority")
# What only some studies do: a file with its header alone says that it was not done.
SOME = ("sweep", "optimism", "noise", "protocols", "search", "search_correlations")
PUBLISHED = ("table1", "comparisons", "significant", "sweep", "grim", "power", "formulas", "checks")
RECORD = (*(f"table{number}" for number in range(1, 7)), "text_claims")
INPUTS = (
    *STATISTICS,
    *SP_EXAMINED,
    *CORRECTED,
    *SOME,
    *(f"published_{name}" for name in PUBLISHED),
    "study",
    *RECORD,
)

ROLES = ("base", "full", "random", "projection", "projection_matched", "ours", "other", "control")
BASE_METHOD = "Base model"
PUBLISHED_METHOD = {
    "base": BASE_METHOD,
    "full": "Full LoRA merge (34L)",
    "projection": "SAE Projection",
    "ours": "Ours (SP4)",
}
OURS_ALPHA_CLAIM = "C39"
LAYERS_CLAIM = "C10"  # selected layers / total layers
ENERGY_CLAIMS = ("C06", "C08")  # discarded by projection, preserved by raw injection


def load_sources(
    paths: Mapping[str, str | Path], rules: Mapping[str, str], root: str | Path = "."
) -> dict[str, Source]:
    """All inputs of the report by name; `rules` says which rule wrote each."""
    missing = [name for name in INPUTS if name not in paths]
    if missing:
        raise ValueError(f"report: input '{missing[0]}' is missing")
    return {
        name: Source.load(name, path, rules.get(name) or INPUT_DATA, root)
        for name, path in paths.items()
    }


@dataclass(frozen=True)
class Edit:
    """A concrete edit of the study; `draw` is its number where it is one of several draws."""

    name: str
    family: str
    role: str
    label: str
    draw: str = ""

    @property
    def title(self) -> Markup:
        """Label as shown: text of the study, not a number of ours."""
        text = f"{self.label}, draw {self.draw}" if self.draw else self.label
        return Markup('<span class="name">{}</span>').format(text)


@dataclass(frozen=True)
class Paired:
    """An edit against a reference on the same problems, as cells; differences as fractions."""

    difference: Cell
    low: Cell
    high: Cell
    n: Cell
    gained: Cell
    lost: Cell
    p: Cell
    holm: Cell
    direction: str


class Report:
    """Everything that the templates may ask for, from loaded sources."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = dict(sources)
        self.cells = Cells()
        self.numbers = Numbers(self.sources)
        document = self.source("study").document
        self.name, self.title, self.target = (
            str(resolve(document, f"/study/{key}", "study")) for key in ("name", "title", "target")
        )
        self.notes = tuple((document.get("report") or {}).get("notes", ()))
        self.seeds = tuple(str(seed) for seed in document["seeds"])
        self.view = self.seeds[0] if len(self.seeds) == 1 else POOLED
        found = self.source("accuracy").values("subject")
        self.subjects = tuple(subject for subject in SUBJECTS if subject in found)
        if self.target not in self.subjects:
            raise ValueError(f"study: target '{self.target}' is not among the subjects evaluated")

    def records(self) -> list[dict]:
        """One record for each printed number: what cells.json holds."""
        return [*self.numbers.records(), *self.cells.records()]

    @property
    def words(self) -> dict[str, str]:
        """What headings of tables may name."""
        return {"target": SUBJECTS[self.target].short}

    def source(self, name: str) -> Source:
        """An input by name."""
        return self.sources[name]

    def optional(self, name: str) -> Source | None:
        """An input of what only some studies do; None without a row of it."""
        found = self.source(name)
        return found if found.rows else None

    # --- edits -----------------------------------------------------------------------------

    @cached_property
    def edits(self) -> tuple[Edit, ...]:
        """Concrete edits that were evaluated on test, in the order of `ROLES`; draws by number."""
        edits = [self._edit(name) for name in self.source("accuracy").values("edit")]
        families = list(dict.fromkeys(edit.family for edit in edits))

        def place(edit: Edit) -> tuple[int, int, int]:
            return ROLES.index(edit.role), families.index(edit.family), int(edit.draw or 0)

        return tuple(sorted(edits, key=place))

    @cached_property
    def unevaluated(self) -> tuple[Edit, ...]:
        """Concrete edits of which only the energy is known."""
        answered = {edit.name for edit in self.edits}
        names = self.source("energy").values("edit")
        return tuple(self._edit(name) for name in names if name not in answered)

    def _edit(self, name: str) -> Edit:
        configured = self.source("study").document["edits"]
        family, draw = re.fullmatch(r"(.+?)(?:-(\d+))?", name).groups()
        if name == "base":
            about = {"label": "Base model", "role": "base", **configured.get("base", {})}
        elif family in configured:
            about = configured[family]
        else:
            known = ", ".join(configured)
            raise ValueError(f"accuracy: edit '{name}' is not in the study (edits: {known})")
        role = about["role"] if about["role"] in ROLES else "other"
        return Edit(name, family, role, about["label"], draw or "")

    def projections(self) -> tuple[tuple[Edit, Mapping], ...]:
        """Edits that project, or copy the norm of a projection, each with its settings.

        Those that answered problems come first.
        """
        return self._configured(lambda settings: "projection" in settings)

    def merges(self) -> tuple[tuple[Edit, Mapping], ...]:
        """Edits of several task vectors, or that merge what they are given, with their settings.

        Those that answered problems come first.
        """
        return self._configured(lambda s: "merging" in s or len(s["vectors"]) > 1)

    def _configured(self, wanted: Callable[[Mapping], bool]) -> tuple[tuple[Edit, Mapping], ...]:
        configured = self.source("study").document["edits"]
        return tuple(
            (edit, configured[edit.family])
            for edit in (*self.edits, *self.unevaluated)
            if edit.family in configured and wanted(configured[edit.family])
        )

    def of(self, role: str) -> tuple[Edit, ...]:
        """All edits of a role (the draws of random layers; else mostly one)."""
        return tuple(edit for edit in self.edits if edit.role == role)

    def one(self, role: str) -> Edit | None:
        """The first edit of a role, None if the study has none."""
        return next(iter(self.of(role)), None)

    def standing_for(self, configuration: str) -> Edit | None:
        """The edit that the study holds against a configuration of the paper's tables, or None."""
        configured = self.source("study").document["edits"]
        for edit in self.edits:
            if configuration in configured.get(edit.family, {}).get("published", ()):
                return edit
        return None

    @cached_property
    def left_out(self) -> Mapping[str, str]:
        """Why this study has no data for some of the paper's tables and figures, by name."""
        return {row["item"]: row["reason"] for row in self.source("left_out").rows}

    def scored_sae(self) -> str:
        """The SAE whose SP picks the layers of ours; else the first."""
        study, ours = self.source("study").document, self.one("ours")
        selection = study["edits"][ours.family]["selection"] if ours else None
        found = self.source("specificity").values("sae")
        named = study["selections"].get(selection, {}).get("sae")
        return named if named in found else found[0]

    # --- numbers ---------------------------------------------------------------------------

    def accuracy(self, edit: Edit, subject: str, seed: str | None = None) -> Cell:
        """Accuracy on test at the chosen alpha; over all seeds unless one is named."""
        table, seed = self.source("accuracy"), seed or self.view
        if seed != POOLED:
            row = {"seed": seed, "edit": edit.name, "subject": subject}
            return self.cells.number(table, row, "accuracy", PERCENT)
        rows = [table.only(seed=s, edit=edit.name, subject=subject) for s in self.seeds]
        counts = [self.cells.number(table, row, "correct", INTEGER) for row in rows]
        counts += [self.cells.number(table, row, "n", INTEGER) for row in rows]
        return self.cells.derived(
            "correct / n, summed over seeds",
            lambda v: sum(v[: len(v) // 2]) / sum(v[len(v) // 2 :]),
            counts,
            PERCENT,
        )

    def problems(self, subject: str) -> Cell:
        """Test problems of a subject (the same for every edit and seed)."""
        row = {"seed": self.seeds[0], "edit": self.edits[0].name, "subject": subject}
        return self.cells.number(self.source("accuracy"), row, "n", INTEGER)

    def alpha(self, edit: Edit, seed: str | None = None) -> tuple[Cell, ...]:
        """The chosen alpha: one cell, or the distinct ones of the seeds."""
        if edit.role == "base":
            return (EMPTY,)
        table = self.source("accuracy")
        seeds = self.seeds if (seed or self.view) == POOLED else (seed or self.view,)
        found = [
            self.cells.number(table, {"seed": s, "edit": edit.name, "subject": ALL}, "alpha")
            for s in seeds
        ]
        return tuple({cell.text: cell for cell in found}.values())

    def paired(
        self, edit: Edit, reference: Edit, subject: str, seed: str | None = None
    ) -> Paired | None:
        """Edit against reference on the same problems; None if they were not compared.

        A comparison that was made the other way round is turned.
        """
        table = self.source("comparisons")
        key = {"seed": seed or self.view, "subject": subject}
        for sign, first, second in ((1, edit, reference), (-1, reference, edit)):
            rows = table.find(edit=first.name, reference=second.name, **key)
            if len(rows) > 1:
                table.only(edit=first.name, reference=second.name, **key)
            if rows:
                return self._paired(table, rows[0], sign)
        return None

    def _paired(self, table: Source, row: int, sign: int) -> Paired:
        def get(column: str, form=INTEGER) -> Cell:
            return self.cells.number(table, row, column, form)

        def turned(cell: Cell) -> Cell:
            return self.cells.derived("with the sign turned", lambda v: -v[0], [cell], POINTS)

        n, low, high = get("n"), get("ci_low", POINTS), get("ci_high", POINTS)
        counts = [get("correct_edit"), get("correct_reference")]
        if sign < 0:
            counts.reverse()
            low, high = turned(high), turned(low)
        difference = self.cells.derived(
            "difference of counts / n", lambda v: (v[0] - v[1]) / v[2], [*counts, n], POINTS
        )
        gained, lost = (get("b"), get("c")) if sign > 0 else (get("c"), get("b"))
        p, holm = get("p_mcnemar", PVALUE), get("p_holm", PVALUE)
        direction = verdicts.direction(low.value, high.value)
        return Paired(difference, low, high, n, gained, lost, p, holm, direction)

    def against_base(self, edit: Edit, subject: str, column: str, form: Format = SIGNED2) -> Cell:
        """A number of the comparison with base, such as the paper's two-sample z."""
        row = {"seed": self.view, "edit": edit.name, "reference": "base", "subject": subject}
        return self.cells.number(self.source("comparisons"), row, column, form)

    def swept(self, edit: Edit) -> dict[str, dict[str, int]]:
        """Rows of sweep.tsv of an edit: alpha, ascending, to subject to row; of one seed.

        With several seeds these are the pooled rows, and without such those of the first seed.
        """
        table = self.optional("sweep")
        if table is None:
            return {}
        seed = self.view if table.find(seed=self.view) else self.seeds[0]
        found: dict[str, dict[str, int]] = {}
        for row in table.find(seed=seed, edit=edit.name):
            about = table.rows[row]
            found.setdefault(about["alpha"], {})[about["subject"]] = row
        return dict(sorted(found.items(), key=lambda item: float(item[0])))

    def significant(self, edit: Edit, column: str) -> tuple[Cell, Cell]:
        """Numbers of subjects that gain and lose against base at p < .05, by one test's p."""
        about = {"seed": self.view, "edit": edit.name, "reference": "base"}
        table = self.source("comparisons")
        rows = [table.only(subject=subject, **about) for subject in self.subjects]
        return self.counted(table, rows, (column, "correct_edit", "correct_reference"))

    def counted(
        self, table: Source, rows: Sequence[int], columns: tuple[str, str, str]
    ) -> tuple[Cell, Cell]:
        """Gains and losses at p < .05 in some rows; columns of p, correct, and correct before."""
        parents = [
            self.cells.number(table, row, column, form)
            for row in rows
            for column, form in zip(columns, (PVALUE, INTEGER, INTEGER), strict=True)
        ]

        def count(sign: int):
            def counted(v: Sequence) -> int:
                triples = zip(v[0::3], v[1::3], v[2::3], strict=True)
                return sum(p < SIGNIFICANT and (e - r) * sign > 0 for p, e, r in triples)

            return counted

        gains = self.cells.derived(
            f"subjects with gain, {columns[0]} < .05", count(1), parents, INTEGER
        )
        losses = self.cells.derived(
            f"subjects with loss, {columns[0]} < .05", count(-1), parents, INTEGER
        )
        return gains, losses

    def mean(self, parents: Sequence[Cell], form=PERCENT) -> Cell:
        """Mean of cells."""
        return self.cells.derived("mean", lambda v: sum(v) / len(v), parents, form)

    def extremes(self, parents: Sequence[Cell], form=PERCENT) -> tuple[Cell, Cell]:
        """Lowest and highest of cells."""
        low = self.cells.derived("lowest", min, parents, form)
        return low, self.cells.derived("highest", max, parents, form)

    def energy_row(self, edit: Edit, seed: str) -> int | None:
        """Row of energy.tsv for an edit at its chosen alpha; None for base.

        An edit that was not evaluated has no chosen alpha: its first one.
        """
        if edit.role == "base":
            return None
        if edit in self.unevaluated:
            return self.source("energy").find(seed=seed, edit=edit.name)[0]
        alpha = self.alpha(edit, seed)[0].text
        return self.source("energy").only(seed=seed, edit=edit.name, alpha=alpha)

    def draw_count(self, draws: Sequence[Edit]) -> Cell:
        """How many random draws there are."""
        parents = [self.accuracy(edit, self.target) for edit in draws]
        return self.cells.derived("number of draws", len, parents, INTEGER)

    def seed_count(self) -> Cell:
        """How many seeds the study ran."""
        study = self.source("study")
        parents = [self.cells.pointer(study, f"/seeds/{i}") for i in range(len(self.seeds))]
        return self.cells.derived("number of seeds", len, parents, INTEGER)

    @property
    def target_name(self) -> str:
        """Name of the target subject."""
        return SUBJECTS[self.target].type

    def published_layers(self) -> tuple[int, int]:
        """Layers that the paper selects, and of how many."""
        claims = self.source("text_claims")
        selected, total = claims.rows[claims.only(claim_id=LAYERS_CLAIM)]["value"].split("/")
        return int(selected), int(total)

    def published_energy(self) -> Markup:
        """What the paper says of the energy that a projection discards and raw injection keeps."""
        claims = self.source("text_claims")
        discarded, preserved = (
            self.cells.number(claims, {"claim_id": claim}, "value") for claim in ENERGY_CLAIMS
        )
        return Markup("discarded by projection: {}; kept by raw injection: {}").format(
            discarded, preserved
        )

    def provenance(self) -> list[Source]:
        """All inputs, computed ones first."""
        return sorted(self.sources.values(), key=lambda s: (s.rule == INPUT_DATA, s.path))
