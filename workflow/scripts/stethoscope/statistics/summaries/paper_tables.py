"""Tables 1 to 6 of the paper: published numbers beside this study's (sections 4 and 5).

A number that the paper's text lost, or that this study does not have, is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.as_published import PUBLISHED_METHOD
from stethoscope.statistics.results import BASE, Results, direction, gains_and_losses
from stethoscope.statistics.summaries.registry import frame, listed, summary

METHODS = ("base", "full", "random", "projection", "projection_matched", "ours")  # of Table 1
SWEPT_Z = ("number_theory", "counting_and_probability", "algebra", "geometry")  # of Table 4
TOP = 10  # configurations in Table 5
OURS_Z, OURS_P, OURS_ALPHA, LAYERS = "C03", "C04", "C39", "C10"  # of text_claims.csv
COUNTS = ("gains_z", "losses_z", "gains_holm", "losses_holm")
EFFECT = ("z", "p_z", "accuracy", "difference", "ci_low", "ci_high", "direction", *COUNTS)


# --- Table 1 -------------------------------------------------------------------------------


@summary
def paper_table1(results: Results) -> pd.DataFrame:
    """Accuracy by subject of the paper's methods and of their controls; then z and p of ours."""
    rows = []
    for role in METHODS:
        edits = results.of(role)
        if role == "random" and len(edits) > 1:
            rows += _draws(results, edits)
        else:
            rows += [_method(results, edit) for edit in edits]
    if ours := results.one("ours"):
        rows.append(_test_of_ours(results, ours, "z", OURS_Z) | {"css": "rule apart"})
        rows.append(_test_of_ours(results, ours, "p", OURS_P) | {"css": "apart"})
    return frame(rows, _method_columns(results))


@summary
def further_edits(results: Results) -> pd.DataFrame:
    """Table 1 of the edits that are neither the paper's nor in the bench of selectors."""
    rows = [_method(results, edit) for edit in results.of("other")]
    return frame(rows, _method_columns(results))


def _method_columns(results: Results) -> list[str]:
    kinds = ("published", "reproduced", "direction")
    by_subject = [f"{k}_{SUBJECTS[s].short}" for s in results.subjects for k in kinds]
    about = ["kind", "css", "title", "n_draws", "end", "inset", "alpha_published", "alpha"]
    return [*about, *by_subject, "sig_published", *COUNTS]


def _method(results: Results, edit: str) -> dict[str, Any]:
    role = results.edits.at[edit, "role"]
    row = {"title": results.edits.at[edit, "title"], "css": css_of(results, edit)}
    row["alpha"] = listed(results.alphas(edit))
    for subject in results.subjects:
        short = SUBJECTS[subject].short
        row[f"reproduced_{short}"] = results.accuracy(edit, subject)
        if paired := results.paired(edit, BASE, subject):
            row[f"direction_{short}"] = paired.direction
    if edit != BASE:
        row |= _significant(results, edit)
    if role in PUBLISHED_METHOD and edit == results.one(role):
        table = results["table1"].set_index("method").loc[PUBLISHED_METHOD[role]]
        row["sig_published"] = table["n_sig_of_7"]
        for short in (SUBJECTS[subject].short for subject in results.subjects):
            row[f"published_{short}"] = table[f"{short}_acc_pct"]
        if role == "ours":
            row["alpha_published"] = _claim(results, OURS_ALPHA)
    return row


def _draws(results: Results, edits: Sequence[str]) -> list[dict[str, Any]]:
    """Mean of the draws of random layers, then the lowest and the highest of each column."""
    alphas = sorted({alpha for edit in edits for alpha in results.alphas(edit)})
    alpha = listed(alphas) if len(alphas) < 3 else f"{alphas[0]}–{alphas[-1]}"
    label = results.edits.at[edits[0], "label"]
    counts = [_significant(results, edit) for edit in edits]
    rows = [{"title": label, "n_draws": len(edits), "alpha": alpha}]
    for end, of in (("lowest", min), ("highest", max)):
        rows.append({"kind": "range", "css": "minor", "inset": 1, "title": label, "end": end})
        rows[-1] |= {name: of(count[name] for count in counts) for name in COUNTS}
    for subject in results.subjects:
        accuracies = [results.accuracy(edit, subject) for edit in edits]
        ends = (sum(accuracies) / len(accuracies), min(accuracies), max(accuracies))
        for row, value in zip(rows, ends, strict=True):
            row[f"reproduced_{SUBJECTS[subject].short}"] = value
    return rows


def _test_of_ours(results: Results, ours: str, kind: str, claim: str) -> dict[str, Any]:
    """z or p of ours against base, as in the last lines of the paper's table."""
    row = {"kind": kind, "title": f"{kind}, ours against base"}
    row[f"published_{SUBJECTS[results.target].short}"] = _claim(results, claim)
    for subject in results.subjects:
        test = results.against_base(ours, subject)
        row[f"reproduced_{SUBJECTS[subject].short}"] = test["z" if kind == "z" else "p_z"]
    return row


def _claim(results: Results, claim: str) -> str:
    return results["text_claims"].set_index("claim_id").at[claim, "value"]


# --- Tables 2 and 3 ------------------------------------------------------------------------


@summary
def paper_table2(results: Results) -> pd.DataFrame:
    """Layer-selection strategies: layers, alpha, effect on the target, number of subjects."""
    rows = []
    for published in results["table2"].to_dict("records"):
        edit = results.reproducing(published["config"])
        row = {"configuration": published["config"], "css": css_of(results, edit)}
        row |= {f"{name}_published": published[name] for name in ("n_layers", "alpha", "sig")}
        row |= {"z_published": published["NT_z"], "note": published["note"]}
        if edit:
            row |= {"title": results.edits.at[edit, "title"], **_layers(results, edit)}
            row |= {"alpha": listed(results.alphas(edit)), **_effect(results, edit)}
        rows.append(row)
    about = ("configuration", "css", "title", "n_layers_published", "n_layers", "layers")
    about += ("alpha_published", "alpha", "z_published", "sig_published", "note")
    return frame(rows, (*about, *EFFECT))


@summary
def paper_table3(results: Results) -> pd.DataFrame:
    """Raw task vector against projection: energy kept, effect on the target, z and p."""
    energies = ("energy_retained", "chance", "oracle", "norm_retained")
    rows = []
    for published in results["table3"].to_dict("records"):
        edit = results.reproducing(published["method"])
        row = {"method": published["method"], "css": css_of(results, edit)}
        row |= {"energy_published": published["energy_retained_pct"]}
        row |= {"z_published": published["NT_z"], "sig_published": published["sig"]}
        row |= {"p_published": published["delta_or_p_NT"]}
        if edit:
            row |= {"title": results.edits.at[edit, "title"], **_effect(results, edit)}
            of_seeds = [results.energy(edit, seed) for seed in results.seeds]
            for name in energies:
                row[name] = sum(energy[name] for energy in of_seeds) / len(of_seeds)
        rows.append(row)
    about = ("method", "css", "title", "energy_published", *energies)
    return frame(rows, (*about, "z_published", "sig_published", "p_published", *EFFECT))


def css_of(results: Results, edit: str | None) -> str | None:
    """The class of an edit's row."""
    return "ours" if edit and results.edits.at[edit, "role"] == "ours" else None


def _layers(results: Results, edit: str) -> dict[str, Any]:
    """How many layers an edit changes and which; seeds that differ side by side."""
    energies = [results.energy(edit, seed) for seed in results.seeds]
    which = list(dict.fromkeys(energy["layers"] for energy in energies))
    counts = list(dict.fromkeys(int(energy["n_layers"]) for energy in energies))
    return {"n_layers": listed(counts, " · "), "layers": " · ".join(which)}


def _effect(results: Results, edit: str) -> dict[str, Any]:
    """Effect on the target against base, and #Sig by the paper's z and by corrected p."""
    test = results.against_base(edit, results.target)
    row = {"z": test["z"], "p_z": test["p_z"]}
    if paired := results.paired(edit, BASE, results.target):
        row |= paired.columns() | {"accuracy": results.accuracy(edit, results.target)}
    return row | _significant(results, edit)


def _significant(results: Results, edit: str) -> dict[str, int]:
    """Numbers of subjects with a significant gain and loss, by two tests."""
    counts = (*results.significant(edit, "p_z"), *results.significant(edit, "p_holm"))
    return dict(zip(COUNTS, counts, strict=True))


# --- Tables 4 and 5 ------------------------------------------------------------------------


@summary
def paper_table4(results: Results) -> pd.DataFrame:
    """The alphas of ours on test problems: accuracy on the target, z of four subjects, #Sig."""
    shorts = {s: SUBJECTS[s].short for s in SWEPT_Z if s in results.subjects}
    swept = results.swept(results.one("ours"))
    listed_alphas = {float(row["alpha"]): row for row in results["table4"].to_dict("records")}
    again = results["published_sweep"].astype({"alpha": float}).set_index("alpha")["z_lmeval"]
    rows = []
    for alpha in sorted({*swept["alpha"], *listed_alphas}):
        row: dict[str, Any] = {"alpha": alpha}
        if published := listed_alphas.get(alpha):
            row |= {"alpha": published["alpha"], "NT_published": published["NT_acc_pct"]}
            row |= {"recomputed_z": again[alpha], "sig_published": published["sig"]}
            row |= {f"published_z_{short}": published[f"{short}_z"] for short in shorts.values()}
        at = swept[swept["alpha"] == alpha].set_index("subject")
        if len(at):
            target = at.loc[results.target]
            columns = ("accuracy", "difference", "ci_low", "ci_high", "chosen")
            row |= {name: target[name] for name in columns}
            row["direction"] = direction(target["ci_low"], target["ci_high"])
            row |= {f"z_{short}": at.at[subject, "z"] for subject, short in shorts.items()}
            row |= _swept_significant(results, at)
        rows.append(row)
    z = [f"{kind}z_{short}" for kind in ("published_", "") for short in shorts.values()]
    about = ("alpha", "NT_published", "recomputed_z", "sig_published", *z, "accuracy")
    about += ("difference", "ci_low", "ci_high", "direction", "gains_z", "losses_z", "chosen")
    return frame(rows, about)


def _swept_significant(results: Results, at: pd.DataFrame) -> dict[str, int]:
    """#Sig by the paper's z of an edit at one alpha; at: rows of sweep.tsv by subject."""
    rows = at.loc[results.subjects]
    counts = gains_and_losses(rows["p_z"], rows["correct"] - rows["correct_base"])
    return dict(zip(COUNTS, counts, strict=False))


@summary
def paper_table5(results: Results) -> pd.DataFrame:
    """The published ten best configurations beside this study's ten best."""
    published = results["table5"].to_dict("records")
    best = ranking(results)[:TOP]
    rows: list[dict[str, Any]] = [{} for _ in range(max(len(published), len(best)))]
    for row, about in zip(rows, published, strict=False):
        row |= {f"{name}_published": about[name] for name in ("rank", "alpha", "NT", "sig")}
        row |= {"configuration": about["configuration"], "note": about["note"]}
    for row, candidate in zip(rows, best, strict=False):
        better = sum(other["accuracy"] > candidate["accuracy"] for other in best)
        row |= {"rank": 1 + better, **candidate}
    columns = ("rank_published", "configuration", "alpha_published", "NT_published")
    columns += ("sig_published", "note", "rank", "title", "alpha", "accuracy", "z", *COUNTS[:2])
    return frame(rows, columns)


def ranking(results: Results) -> list[dict[str, Any]]:
    """Every evaluated edit at its chosen alpha and at each alpha of a sweep, best first.

    By accuracy on the target; equals in the order of the study. With z and #Sig by z.
    """
    candidates = []
    for edit in results.evaluated:
        if edit == BASE:
            continue
        title, chosen = results.edits.at[edit, "title"], results.alphas(edit)
        row = {"title": title, "alpha": listed(chosen), **_effect(results, edit)}
        row["accuracy"] = results.accuracy(edit, results.target)
        candidates.append(row)
        swept = results.swept(edit)
        for alpha in dict.fromkeys(swept["alpha"]):
            if alpha not in chosen:
                at = swept[swept["alpha"] == alpha].set_index("subject")
                target = at.loc[results.target]
                row = {"title": title, "alpha": alpha, "accuracy": target["accuracy"]}
                candidates.append(row | {"z": target["z"], **_swept_significant(results, at)})
    return sorted(candidates, key=lambda row: -row["accuracy"])


# --- Table 6 -------------------------------------------------------------------------------


@summary
def paper_table6(results: Results) -> pd.DataFrame:
    """SP by layer, published beside reproduced, in the order of relative depth.

    Layers of equal depth share a row. With several seeds the columns of each start with its name.
    """
    last = int(_claim(results, LAYERS).split("/")[1]) - 1
    by_depth: dict[Fraction, dict[str, Any]] = {}

    def add(prefix: str, layers: pd.DataFrame, last: int, selected: str) -> None:
        for about in layers.to_dict("records"):
            depth = Fraction(int(about["layer"]), max(last, 1))
            row = by_depth.setdefault(depth, {"depth": float(depth)})
            row |= {f"{prefix}{name}": about[name] for name in ("layer", "sp", "n_features")}
            row[f"{prefix}selected"] = about[selected]

    add("published_", results["table6"], last, "selected_sp_ge_4")
    table = results["specificity"]
    table = table[(table["sae"] == results.scored_sae()) & (table["subject"] == results.target)]
    prefixes = {seed: f"seed{seed}_" if len(results.seeds) > 1 else "" for seed in results.seeds}
    for seed, prefix in prefixes.items():
        layers = table[table["seed"] == seed]
        add(prefix, layers, int(layers["layer"].max()), "selected")
    names = ("layer", "sp", "n_features", "selected")
    columns = [f"{p}{name}" for p in ("published_", *prefixes.values()) for name in names]
    return frame((by_depth[depth] for depth in sorted(by_depth)), ("depth", *columns))
