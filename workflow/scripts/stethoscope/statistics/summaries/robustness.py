"""What SP hangs on (tables R4b to R4d), and the numbers that answer the questions to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.correlations import spearman
from stethoscope.statistics.results import ABOVE, BELOW, NONE, SIGNIFICANT, Results, direction
from stethoscope.statistics.summaries.registry import frame, summary
from stethoscope.study.queries import control_encoders, scored_encoders

# A set of layers is called stable or unstable by its mean Jaccard over bootstraps.
STABLE, UNSTABLE = 0.8, 0.5
# Plain over cross-fitted SP up to this factor counts as kept.
KEPT = 1.25

# Measure of sp_measures.tsv -> (words, format).
MEASURES = {
    "spearman_depth": ("rank correlation of SP with depth", "fixed2"),
    "spearman_mean_active": ("rank correlation of SP with the mean active value", "fixed2"),
    "spearman_halves": ("rank correlation between halves of the problems", "fixed2"),
    "jaccard_bootstrap": ("Jaccard of the selected set over bootstraps", "fixed2"),
    "jaccard_chance": ("the same of random sets of that size", "fixed2"),
    "same_set_bootstrap": ("bootstraps with the very same set, %", "percent"),
    "familywise_95": ("95 % quantile of the null’s largest layer", "fixed2"),
    "cutoff": ("lowest score that is selected", "fixed2"),
    "cutoff_reached_by_null": ("null draws with a layer that reaches it, %", "percent"),
    "cutoff_layers_in_null": ("layers that reach it in a null draw, mean", "fixed2"),
    "published": ("threshold of the paper", "fixed2"),
    "published_reached_by_null": ("null draws with a layer that reaches it, %", "percent"),
    "published_layers_in_null": ("layers that reach it in a null draw, mean", "fixed2"),
    "published_layers": ("layers that reach it with the true labels", "integer"),
}


# --- tables --------------------------------------------------------------------------------


@summary
def target_stability(results: Results) -> pd.DataFrame:
    """Rows of sp_stability.tsv of the target, SAE by SAE; selected layers are shaded."""
    return _of_target(results, results["sp_stability"], "selected")


@summary
def target_sensitivity(results: Results) -> pd.DataFrame:
    """Rows of sp_sensitivity.tsv of the target, without control encoders; words as printed."""
    table = results["sp_sensitivity"]
    table = _of_target(results, table[table["sae"].isin(results.study["saes"])], "configured")
    shorts = {f"without {name}": f"without {about.short}" for name, about in SUBJECTS.items()}
    table["unit"] = table["unit"].str.replace("_", " ")
    table["denominator"] = table["denominator"].replace(shorts, regex=True)
    return table


@summary
def target_measures(results: Results) -> pd.DataFrame:
    """What is one number for all layers: a row a measure, columns for each SAE and seed."""
    table = results["sp_measures"][results["sp_measures"]["subject"] == results.target]
    several, rows = len(results.seeds) > 1, []
    for measure, (label, kind) in MEASURES.items():
        row = {"label": label, "kind": kind}
        cells = table[table["measure"] == measure].set_index(["sae", "seed"])
        for sae in table["sae"].unique() if len(cells) else ():
            for seed in results.seeds:
                view = f"{sae}, seed {seed}" if several else sae
                about = cells.loc[(sae, seed)]
                row |= {f"{name}_{view}": about[name] for name in ("value", "low", "high", "p")}
        rows += [row] if len(cells) else []
    return frame(rows)


def _of_target(results: Results, table: pd.DataFrame, shaded: str) -> pd.DataFrame:
    """Rows of the target by SAE and seed, with classes; `seed` only where there are several."""
    table = table[table["subject"] == results.target]
    groups = [
        table[(table["sae"] == sae) & (table["seed"] == seed)]
        for sae in table["sae"].unique()
        for seed in results.seeds
    ]
    table = pd.concat(groups)
    first = ~table.duplicated(["sae", "seed"])
    first.iloc[0] = False
    css = (table[shaded] == 1).map({True: "chosen-row", False: ""})
    css += first.map({True: " rule", False: ""})
    dropped = [] if len(results.seeds) > 1 else ["seed"]
    return table.drop(columns=dropped).assign(css=css.str.strip())


# --- rules: which answer the numbers give ----------------------------------------------------


def steadiness(overlap: float) -> str:
    """above: a stable set; below: an unstable one; none: in between; by its mean Jaccard."""
    return ABOVE if overlap >= STABLE else BELOW if overlap < UNSTABLE else NONE


def kept(plain: float, cross_fitted: float) -> str:
    """above: cross-fitted SP is near the plain one; below: none is left over 1; none: between."""
    return BELOW if cross_fitted <= 1 else ABOVE if plain <= KEPT * cross_fitted else NONE


def trend(low: float, high: float, p: float) -> str:
    """A trend over layers needs an interval without zero and an order that shuffling seldom gives.

    The interval is over problems, with the layers as they are; p is over the order of the layers.
    """
    return direction(low, high) if p <= SIGNIFICANT else NONE


def how_many(count: int, total: int) -> str:
    """all, some or none of the total."""
    return "all" if count == total else "some" if count else NONE


# --- questions -------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """What the questions read: SP of the target of one seed and SAE."""

    results: Results
    seed: str
    sae: str

    def _rows(self, name: str) -> pd.DataFrame:
        table = self.results[name]
        here = (table["seed"] == self.seed) & (table["subject"] == self.results.target)
        return table[here & (table["sae"] == self.sae)]

    @cached_property
    def layers(self) -> pd.DataFrame:
        """Rows of sp_stability.tsv, by layer."""
        return self._rows("sp_stability").set_index("layer").sort_index()

    @property
    def selected(self) -> pd.DataFrame:
        """The selected layers."""
        return self.layers[self.layers["selected"] == 1]

    @cached_property
    def measures(self) -> pd.DataFrame:
        """`value low high p` by measure."""
        table = self._rows("sp_measures").set_index("measure")
        return table[["value", "low", "high", "p"]].astype(float)

    @cached_property
    def variants(self) -> pd.DataFrame:
        """Rows of sp_sensitivity.tsv."""
        return self._rows("sp_sensitivity")


@summary
def robustness_findings(results: Results) -> pd.DataFrame:
    """Answers to the questions to SP, of the first SAE: `key seed target verdict` and numbers.

    A row for each question and seed (for each control encoder, of the question about them); a
    question that the data cannot answer has none.
    """
    sae = results["sp_stability"]["sae"].iloc[0]
    rows = [
        {"key": key, "seed": seed, "target": SUBJECTS[results.target].type, **row}
        for key, answer in QUESTIONS.items()
        for seed in results.seeds
        for row in answer(View(results, seed, sae))
    ]
    return frame(rows)


def _null(view: View) -> list[dict]:
    """Do the selected layers stand out from permuted labels?"""
    taken, rest = view.selected, view.layers.drop(view.selected.index)
    above, also = ((rows["sp"] > rows["sp_null_95"]).sum() for rows in (taken, rest))
    family = (taken["sp_p_familywise"] <= SIGNIFICANT).sum()
    everywhere = len(rest) > 0 and above + also == len(view.layers)
    verdict = "everywhere" if everywhere else how_many(above, len(taken))
    row = {"verdict": verdict, "above": above, "family": family, "selected": len(taken)}
    return [row | {"others_above": also, "others": len(rest)}] if len(taken) else []


def _threshold(view: View) -> list[dict]:
    """Would the published threshold survive the null of this study?"""
    names = {
        "threshold": "published",
        "share": "published_reached_by_null",
        "null_layers": "published_layers_in_null",
        "observed": "published_layers",
        "cutoff": "cutoff",
        "cutoff_share": "cutoff_reached_by_null",
    }
    row = {name: view.measures.at[measure, "value"] for name, measure in names.items()}
    return [{"verdict": "survives" if row["share"] <= SIGNIFICANT else "reached", **row}]


def _cross_fitted(view: View) -> list[dict]:
    """Does SP last on problems that did not choose the feature?"""
    taken = view.selected
    plain, fitted = taken["sp_half"].mean(), taken["sp_cross_fitted"].mean()
    row = {"verdict": kept(plain, fitted), "plain": plain, "cross_fitted": fitted}
    row |= {"above": (taken["sp_cross_fitted"] > 1).sum(), "selected": len(taken)}
    return [row] if len(taken) else []


def _set(view: View) -> list[dict]:
    """Would other problems select the same layers?"""
    jaccard = view.measures.loc["jaccard_bootstrap"]
    row = {"jaccard": jaccard["value"], "low": jaccard["low"], "high": jaccard["high"]}
    row |= {"chance": view.measures.at["jaccard_chance", "value"]}
    row |= {"same": view.measures.at["same_set_bootstrap", "value"]}
    return [{"verdict": steadiness(jaccard["value"]), **row}]


def _grid(view: View) -> list[dict]:
    """Would another epsilon or unit select the same layers?"""
    rows = view.variants
    rows = rows[(rows["denominator"] == "mean") & (rows["configured"] != 1)]
    ranks, same = rows["spearman"].dropna(), (rows["jaccard"] == 1).sum()
    if ranks.empty:
        return []
    row = {"count": len(rows), "same_sets": same, "rank_low": ranks.min(), "rank_high": ranks.max()}
    row |= {"jaccard_low": rows["jaccard"].min(), "jaccard_high": rows["jaccard"].max()}
    return [{"verdict": how_many(same, len(rows)), **row}]


def _others(view: View) -> list[dict]:
    """Does the set hang on one of the other subjects?"""
    overlaps = view.variants.set_index("denominator")["jaccard"]
    without = {
        about.type: overlaps[f"mean without {name}"]
        for name, about in SUBJECTS.items()
        if f"mean without {name}" in overlaps.index
    }
    if not without or "largest" not in overlaps.index:
        return []
    moving = [name for name, overlap in without.items() if overlap < 1]
    row = {"count": len(without), "same_sets": sum(x == 1 for x in without.values())}
    row |= {"jaccard_low": min(without.values()), "moving": ", ".join(moving)}
    return [{"verdict": "moves" if moving else "stays", **row, "largest": overlaps["largest"]}]


def _controls(view: View) -> list[dict]:
    """Do encoders without training select other layers?"""
    study, mine = view.results.study, view.selected.index
    names = scored_encoders(study)[len(study["saes"]) :]
    rows = []
    for name, (sae, control) in zip(names, control_encoders(study), strict=True):
        other = View(view.results, view.seed, name)
        if sae == view.sae and len(mine) and len(view.layers) > 1 and len(other.layers):
            row = {"control": control, "shared": len(mine.intersection(other.selected.index))}
            row |= {"rank": spearman(view.layers["sp"], other.layers["sp"])}
            row |= {"highest": other.layers["sp"].max(), "own": view.layers["sp"].max()}
            rows.append(row | {"selected": len(mine)})
    verdict = how_many(sum(row["shared"] == row["selected"] for row in rows), len(rows))
    return [{"verdict": verdict, **row} for row in rows]


def _depth(view: View) -> list[dict]:
    """Does SP follow depth?"""
    if "spearman_depth" not in view.measures.index:
        return []
    depth, scale = (view.measures.loc[f"spearman_{name}"] for name in ("depth", "mean_active"))
    table6 = view.results["table6"].dropna(subset=["layer", "sp"]).astype(float)
    row = {"rank": depth["value"], "low": depth["low"], "high": depth["high"], "p": depth["p"]}
    row |= {"published": spearman(table6["layer"], table6["sp"]), "scale": scale["value"]}
    row |= {"scale_low": scale["low"], "scale_high": scale["high"], "scale_p": scale["p"]}
    verdict = trend(depth["low"], depth["high"], depth["p"])
    return [] if pd.isna(depth["low"]) else [{"verdict": verdict, **row}]


QUESTIONS: dict[str, Callable[[View], list[dict]]] = {
    "sp-null": _null,
    "sp-threshold": _threshold,
    "sp-honest": _cross_fitted,
    "sp-set": _set,
    "sp-grid": _grid,
    "sp-others": _others,
    "sp-controls": _controls,
    "sp-depth": _depth,
}
