"""The bench of layer selectors: one task vector added, raw, in the layers that each picks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from stethoscope.statistics.results import OTHERS, Results
from stethoscope.statistics.summaries.registry import frame, summary
from stethoscope.statistics.summaries.rows import effects, selection_of
from stethoscope.statistics.summaries.verdicts import rank_p


@dataclass(frozen=True)
class Bench:
    """Evaluated raw edits of the weighted task vectors that ours adds, by edit spec."""

    results: Results
    ours: str
    specs: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, results: Results) -> Bench | None:
        """The study's bench; None without an edit of ours, or with nothing beside it."""
        ours = results.one("ours")
        if ours is None:
            return None
        specs: dict[str, list[str]] = {}
        for edit in results.evaluated:
            about = results.spec(edit)
            raw = about and about["transform"] == "raw" and "search" not in about
            if raw and about["vectors"] == results.spec(ours)["vectors"]:
                specs.setdefault(results.edits.at[edit, "spec"], []).append(edit)
        bench = cls(results, ours, specs)
        return bench if sum(map(len, specs.values())) > 1 else None

    @cached_property
    def equal(self) -> list[Sequence[str]]:
        """Those with as many layers as ours in every seed."""
        size = list(self.layers(self.ours, "n_layers"))
        return [e for e in self.specs.values() if list(self.layers(e[0], "n_layers")) == size]

    @property
    def unequal(self) -> list[Sequence[str]]:
        """Those with another number of layers; all draws of one spec together."""
        return [edits for edits in self.specs.values() if edits not in self.equal]

    @property
    def random(self) -> list[Sequence[str]]:
        """Draws of random layers, as many as ours."""
        return [edits for edits in self.equal if self.selector(edits[0]) == "random"]

    @property
    def rivals(self) -> list[str]:
        """Edits in as many layers as ours that another selector than random picked."""
        return [e for es in self.equal if es not in self.random for e in es if e != self.ours]

    @property
    def scaled(self) -> str | None:
        """The full merge at an alpha that is given instead of chosen; None without one."""
        for edit, *_ in self.unequal:
            control = self.results.edits.at[edit, "role"] == "control"
            if control and self.selector(edit) == "all":
                return edit
        return None

    def selector(self, edit: str) -> str:
        """How the layers of an edit were picked: `by` of its selection."""
        return self.results.study["selections"][self.results.edits.at[edit, "selection"]]["by"]

    def layers(self, edit: str, column: str = "layers") -> pd.Series:
        """A column of selectors.tsv about the layers of an edit, seed by seed."""
        table, name = self.results["selectors"], selection_of(self.results, edit)
        return table[table["selection"] == name].set_index("seed").loc[self.results.seeds, column]

    def rank(self, edit: str, draws: Sequence[str]) -> tuple[int | None, float | None]:
        """Draws at least as accurate on the target as an edit, and its rank p among them.

        Draws of the very layers of the edit are left out.
        """
        own, target = list(self.layers(edit)), self.results.target
        others = [draw for draw in draws if list(self.layers(draw)) != own]
        if not others:
            return None, None
        mine = self.results.accuracy(edit, target)
        theirs = [self.results.accuracy(draw, target) for draw in others]
        return sum(one >= mine for one in theirs), rank_p(mine, theirs)


@summary
def bench(results: Results) -> pd.DataFrame:
    """Each selector's layers and score, its edit, and its rank among draws of random layers.

    as_good_<spec>, rank_p_<spec>: among the draws of this edit, whose label is in label_<spec>.
    """
    among = Bench.of(results)
    rows: list[dict[str, Any]] = []
    random = [results.edits.at[draws[0], "spec"] for draws in among.random] if among else []
    if among:
        section = {"section": "as many layers as ours"}
        rows.append(section | _edit(among, among.ours) | {"css": "ours"})
        rows += [section | _edit(among, edit) for edit in among.rivals]
        rows += [section | _draws(results, draws) for draws in among.random]
        for edits in among.unequal:
            row = _draws(results, edits) if len(edits) > 1 else _edit(among, edits[0])
            rows.append({"section": "another number of layers"} | row)
        for spec, draws in zip(random, among.random, strict=True):
            label = {f"label_{spec}": results.edits.at[draws[0], "label"]}
            rows = [row | label for row in rows]
    about = ("section", "kind", "css", "title", "layers", "shared", "shared_mean", "rho_ours")
    about += ("rho_depth", "n_draws")
    names = ("accuracy", "difference", "ci_low", "ci_high", "direction", "lowest", "highest")
    columns = [f"{name}_{scope}" for scope in ("target", "others") for name in names]
    columns += [f"{name}_ours" for name in names[1:5]]
    columns += [f"{name}_{s}" for s in random for name in ("label", "as_good", "rank_p")]
    return frame(rows, (*about, *columns))


def _edit(among: Bench, edit: str) -> dict[str, Any]:
    results = among.results
    shared = among.layers(edit, "shared_with_ours")
    several = len(results.seeds) > 1
    row = {"title": results.edits.at[edit, "title"], "layers": " · ".join(among.layers(edit))}
    row["shared_mean" if several else "shared"] = shared.mean() if several else int(shared.iloc[0])
    for name in ("rho_ours", "rho_depth"):
        row[name] = among.layers(edit, name).mean(skipna=False)
    row |= effects(results, edit, {"target": results.target, "others": OTHERS})
    if edit != among.ours and (paired := results.paired(among.ours, edit, results.target)):
        row |= paired.columns("ours")
    if edit == among.ours or edit in among.rivals:
        for draws in among.random:
            spec = results.edits.at[draws[0], "spec"]
            row[f"as_good_{spec}"], row[f"rank_p_{spec}"] = among.rank(edit, draws)
    return row


def _draws(results: Results, draws: Sequence[str]) -> dict[str, Any]:
    """Mean over draws of random layers, with the lowest and the highest."""
    row = {"kind": "draws", "css": "minor", "n_draws": len(draws)}
    row["title"] = results.edits.at[draws[0], "label"]
    for scope, subject in (("target", results.target), ("others", OTHERS)):
        accuracies = [results.accuracy(draw, subject) for draw in draws]
        row[f"accuracy_{scope}"] = sum(accuracies) / len(accuracies)
        row |= {f"lowest_{scope}": min(accuracies), f"highest_{scope}": max(accuracies)}
    return row
