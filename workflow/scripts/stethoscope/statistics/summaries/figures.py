"""What the paper's figures plot: a frame for each, published beside reproduced.

Accuracies, energies, differences and their bounds are fractions. `source` says where a row is
from: the paper (PUBLISHED) or this study (REPRODUCED).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.as_published import (
    PUBLISHED_METHOD,
    published_accuracy,
    published_effect,
    published_energy,
    published_layers,
    published_z,
)
from stethoscope.statistics.results import BASE, Results
from stethoscope.statistics.summaries.registry import summary
from stethoscope.statistics.tests import two_proportion_z, wilson_interval

PUBLISHED, REPRODUCED = "published", "reproduced"
SEARCH = "CMA-ES by perplexity"
# Configuration of Table 3 -> the method of Table 1 whose accuracies give its z.
IN_TABLE1 = {
    "SAE Proj (16K, rank-3)": PUBLISHED_METHOD["projection"],
    "Raw TV (SP4, 14 layers)": PUBLISHED_METHOD["ours"],
}
HEADLINE = "SP4 14L"  # the configuration of Table 2 that is the last row of Table 1
RESPONSES = (HEADLINE, "SP4 noDeep")  # Table 2's configurations in Figure 7


@summary
def figure_ways(results: Results) -> pd.DataFrame:
    """Figure 1: what projection and ours do to the task vector, the energy left, the effect.

    rank: directions a layer, empty where τ is added as it is. gains, losses: significant subjects.
    """
    layers, energy, rows = published_layers(results), published_energy(results), []
    for role in ("projection", "ours"):
        if edit := results.one(role):
            kept = results.energy(edit, results.seeds[0])
            gains, losses = results.significant(edit, "p_z")
            row = {"role": role, "rank": results.spec(edit).get("projection", {}).get("rank")}
            row |= {"n_layers": int(kept["n_layers"]), "n_layers_model": _layer_count(results)}
            row |= {"energy_retained": kept["energy_retained"], **_difference(results, edit)}
            row |= {"gains": gains, "losses": losses, "n_subjects": len(results.subjects)}
            row |= {"published_n_layers": layers[0], "published_n_layers_model": layers[1]}
            row |= {"published_energy_retained": energy[role]}
            row |= {"published_difference": published_effect(results, role)}
            rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["role"], dtype=object)


@summary
def figure_profiles(results: Results) -> pd.DataFrame:
    """Figure 2: SP of the target by layer, of each seed and published (Table 6).

    depth: of the layer, 0 to 1. sp is empty in layers that Table 6 does not list.
    """
    sae, target = results.scored_sae(), results.target
    keys = ["seed", "layer"]
    measured, null = (
        table[(table["sae"] == sae) & (table["subject"] == target)]
        for table in (results["specificity"], results["sp_stability"])
    )
    null = null[[*keys, "sp_null_95"]]
    ours = measured[[*keys, "sp", "sp_smooth", "selected"]].merge(null, on=keys, how="left")
    ours = pd.concat([ours[ours["seed"] == s].sort_values("layer") for s in results.seeds])
    ours.insert(0, "source", REPRODUCED)
    listed = results["table6"].rename(columns={"selected_sp_ge_4": "selected"})
    listed = listed[["layer", "sp", "selected"]].apply(pd.to_numeric)
    _, layers = published_layers(results)
    published = pd.DataFrame({"source": PUBLISHED, "layer": range(layers)})
    published = published.merge(listed, on="layer", how="left")
    frame = pd.concat([ours, published], ignore_index=True)
    last = frame.groupby(["source", "seed"], dropna=False)["layer"].transform("max")
    frame["depth"] = frame["layer"] / last.clip(lower=1)
    return frame.astype({"selected": "Int64"})


@summary
def figure_accuracy(results: Results) -> pd.DataFrame:
    """Figure 3: accuracy by subject with Wilson's 95 % interval.

    Of the random draws (role random): the mean, and the lowest and highest as bounds.
    """
    rows = []
    for role, method in PUBLISHED_METHOD.items():
        edit = results.one(role)
        for subject in results.subjects if edit else ():
            about = {"role": role, "label": results.edits.at[edit, "label"], "subject": subject}
            published = published_accuracy(results, subject)[method]
            rows.append({"source": PUBLISHED, **about, "accuracy": published})
            measured = _with_interval(*results.counts(edit, subject))
            rows.append({"source": REPRODUCED, **about, **measured})
    draws = results.of("random")
    for subject in results.subjects if draws else ():
        values = pd.Series([results.accuracy(edit, subject) for edit in draws])
        about = {"role": "random", "label": results.edits.at[draws[0], "label"], "subject": subject}
        bounds = {"accuracy": values.mean(), "low": values.min(), "high": values.max()}
        rows.append({"source": REPRODUCED, **about, **bounds})
    return pd.DataFrame(rows)


@summary
def figure_approaches(results: Results) -> pd.DataFrame:
    """Figure 4: z of the target for the approaches in the order in which the paper tried them.

    A search by perplexity, then the rows of Table 3. z is empty without such an edit in the study,
    or without numbers in the paper.
    """
    rows = [{"approach": SEARCH, "role": "other", "z": _z_of_search(results), "z_published": None}]
    for name in results["table3"]["method"]:
        edit = results.reproducing(name)
        z = results.against_base(edit, results.target)["z"] if edit else None
        method = IN_TABLE1.get(name)
        published = published_z(results, method, results.target) if method else None
        role = results.edits.at[edit, "role"] if edit else None
        rows.append({"approach": name, "role": role, "z": z, "z_published": published})
    return pd.DataFrame(rows)


@summary
def figure_energy(results: Results) -> pd.DataFrame:
    """Figure 5: energy that an edit keeps within its layers, and its effect on the target.

    source besides the two: `energy only` are edits that answered no problems; `chance` and
    `oracle` are what a random and the best subspace of the projection's rank keep.
    """
    rows, seed = [], results.seeds[0]
    answered = [edit for edit in results.evaluated if _in_figure5(results, edit)]
    projected = [e for e in results.unevaluated if results.spec(e)["transform"] == "project"]
    for source, edits in ((REPRODUCED, answered), ("energy only", projected)):
        for edit in edits:
            about = results.edits.loc[edit, ["edit", "spec", "draw", "role", "label"]]
            kept = results.energy(edit, seed)["energy_retained"]
            row = {"source": source, **about, "energy_retained": kept}
            rows.append(row | _difference(results, edit))
    for role, energy in published_energy(results).items():
        row = {"source": PUBLISHED, "role": role, "label": PUBLISHED_METHOD[role]}
        effect = published_effect(results, role)
        rows.append(row | {"energy_retained": energy, "difference": effect})
    if edit := results.one("projection"):
        kept = results.energy(edit, seed)
        rows += [{"source": name, "energy_retained": kept[name]} for name in ("chance", "oracle")]
    return pd.DataFrame(rows, dtype=object)


@summary
def figure_responses(results: Results) -> pd.DataFrame:
    """Figures 6 and 7: accuracy on the target over alpha, with Wilson's 95 % interval.

    curve: `published` (Table 4), `ours`, and the configurations of Table 2 that were swept, of
    which `ours` is the first where no edit reproduces it. budget: alpha times the share of layers
    that the edit changes. chosen: by validation problems, of any seed. accuracy_base: without edit.
    A curve's published row is the published best alpha, of which the record has no accuracy.
    """
    base, rows = published_accuracy(results, results.target)[PUBLISHED_METHOD["base"]], []
    for point in results["published_sweep"].itertuples():
        row = {"source": PUBLISHED, "curve": PUBLISHED, "alpha": point.alpha}
        rows.append(row | _with_interval(point.correct, point.n) | {"accuracy_base": base})
    ours = results.one("ours")
    curves = {"ours": ours} | {name: results.reproducing(name) for name in RESPONSES}
    curves[HEADLINE] = curves[HEADLINE] or ours
    for name, edit in curves.items():
        rows += _response(results, name, edit) if edit else ()
    table, (_, layers) = results["table2"].set_index("config"), published_layers(results)
    for name in RESPONSES:
        alpha, n = (float(table.at[name, column]) for column in ("alpha", "n_layers"))
        row = {"source": PUBLISHED, "curve": name, "alpha": alpha, "budget": alpha * n / layers}
        rows.append(row)
    columns = "source curve edit label alpha budget accuracy low high chosen accuracy_base"
    return pd.DataFrame(rows, columns=columns.split(), dtype=object)


@summary
def figure_z(results: Results) -> pd.DataFrame:
    """Figure 8: z by subject of the published Table 1's last row and of this study's edits."""
    rows = [
        (HEADLINE, PUBLISHED, subject, published_z(results, PUBLISHED_METHOD["ours"], subject))
        for subject in results.subjects
    ]
    for name in results["table2"]["config"].unique():
        if edit := results.reproducing(name):
            rows += [
                (name, REPRODUCED, subject, results.against_base(edit, subject)["z"])
                for subject in results.subjects
            ]
    return pd.DataFrame(rows, columns=["configuration", "source", "subject", "z"])


@summary
def figure_searches(results: Results) -> pd.DataFrame:
    """Figure 9: perplexity and accuracy of the configurations that each search kept, of one seed.

    label: the subject that the search is named by, else its name. split: test problems if any
    were evaluated on them, else validation. lowest: 1 for the lowest perplexity. r with its
    interval: as in search_correlations.tsv.
    """
    subjects = {name: s.type for s in SUBJECTS.values() for name in (s.slug, s.short.lower())}
    table, keys, frames = results["search"], ["seed", "search", "split"], []
    for name in table["search"].unique():
        points = _of_first_seed(table[table["search"] == name])
        split = "test" if points["accuracy_test"].notna().any() else "validation"
        points = points.assign(split=split, accuracy=points[f"accuracy_{split}"])
        points = points.dropna(subset="accuracy").assign(label=subjects.get(name, name), lowest=0)
        order = points.sort_values(["perplexity", "accuracy"], kind="stable")
        points.loc[order.index[:1], "lowest"] = 1
        frames.append(points[[*keys, "label", "edit", "perplexity", "accuracy", "lowest"]])
    if not frames:
        return pd.DataFrame(columns=[*keys, "label"])
    correlations = results["search_correlations"][[*keys, "r", "r_low", "r_high"]]
    return pd.concat(frames).merge(correlations, "left", keys)


# --- parts ---------------------------------------------------------------------------------------


def _difference(results: Results, edit: str) -> dict[str, float]:
    """Difference from base on the target and its interval; empty where there is no comparison."""
    paired = results.paired(edit, BASE, results.target)
    columns = ("difference", "ci_low", "ci_high")
    return {column: getattr(paired, column) if paired else None for column in columns}


def _with_interval(correct: int, n: int) -> dict[str, float]:
    low, high = wilson_interval(int(correct), int(n))
    return {"accuracy": correct / n, "low": low, "high": high}


def _response(results: Results, curve: str, edit: str) -> Iterator[dict[str, Any]]:
    """Rows of `figure_responses` of one edit; none if it was not swept."""
    swept = results.swept(edit)
    share = int(results.energy(edit, results.seeds[0])["n_layers"]) / _layer_count(results)
    row = {"source": REPRODUCED, "curve": curve, "edit": edit}
    row |= {"label": results.edits.at[edit, "label"]}
    row |= {"accuracy_base": results.accuracy(BASE, results.target)}
    for point in swept[swept["subject"] == results.target].itertuples():
        row |= {"alpha": point.alpha, "chosen": int(point.alpha in results.alphas(edit))}
        yield row | {"budget": point.alpha * share} | _with_interval(point.correct, point.n)


def _z_of_search(results: Results) -> float | None:
    """z against base of the lowest perplexity that the target's search reached, on its seed."""
    names = (results.target, SUBJECTS[results.target].short.lower())
    table = results["search"]
    kept = _of_first_seed(table[table["search"].isin(names)]).dropna(subset="accuracy_test")
    if kept.empty:
        return None
    best = kept.loc[kept["perplexity"].idxmin()]
    correct, n = round(best["accuracy_test"] * best["n_test"]), int(best["n_test"])
    before = results.counts(BASE, results.target, best["seed"])
    return two_proportion_z(*before, correct, n, pooled=False)[0]


def _of_first_seed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["seed"] == rows["seed"].iloc[0]] if len(rows) else rows


def _in_figure5(results: Results, edit: str) -> bool:
    """All roles but controls, and of other edits only projections of one task vector."""
    role, spec = results.edits.at[edit, "role"], results.spec(edit)
    if role == "other":
        return "projection" in spec and "merging" not in spec and len(spec["vectors"]) == 1
    return role not in ("base", "control")


def _layer_count(results: Results) -> int:
    return results["specificity"]["layer"].nunique()
