"""Edits that add or merge several task vectors, beside each of these vectors alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.results import ALL, OTHERS, Results
from stethoscope.statistics.summaries.registry import frame, listed, summary
from stethoscope.statistics.summaries.rows import effects, selection_of

METHODS = {
    "raw": "sum",
    "ties": "TIES",
    "dare": "DARE",
    "localize_and_stitch": "Localize-and-Stitch",
}  # of merging, as the page names them
_ENERGIES = ("n_layers", "alpha", "energy_task_vector", "energy_retained", "energy_edit")


@summary
def merging(results: Results) -> pd.DataFrame:
    """Interference, energy and effect of each sum or merge, a row for each edit and seed.

    accuracy_of_<subject>: of the subjects that the merged vectors are made for, but the target.
    """
    merges = [e for e in (*results.evaluated, *results.unevaluated) if _merges(results.spec(e))]
    vectors = sorted({name for edit in merges for name in results.spec(edit)["vectors"]})
    subjects = dict.fromkeys(_main_subject(results, vector) for vector in vectors)
    scopes = {f"of_{SUBJECTS[s].short}": s for s in results.subjects if s in subjects}
    scopes = {"target": results.target} | {k: s for k, s in scopes.items() if s != results.target}
    scopes["others"] = OTHERS
    rows = []
    for edit in (*_alone(results, merges, vectors), *merges):
        draw = results.edits.at[edit, "draw"]
        for seed in results.seeds:
            row = {"seed": seed, "css": None if pd.isna(draw) else "minor", "kind": "again"}
            if seed == results.seeds[0]:
                row |= {"title": results.edits.at[edit, "title"], "kind": None}
                row |= {"how": _how(results, edit), "vectors": _vectors(results, edit)}
                row |= effects(results, edit, scopes) if edit in results.evaluated else {}
            energy = results.energy(edit, seed)
            energies = {name: energy[name] for name in _ENERGIES}
            rows.append(row | energies | _interference(results, edit, seed))
    about = ["kind", "css", "title", "how", "vectors", "seed"]
    about += [*_ENERGIES, "cosine", "signs_differ", "signs_differ_trimmed"]
    names = ("accuracy", "difference", "ci_low", "ci_high", "direction")
    about += [f"{name}_{scope}" for scope in scopes for name in names]
    if len(results.seeds) == 1:
        about.remove("seed")
    return frame(rows, about)


def _merges(about: Mapping[str, Any]) -> bool:
    return "merging" in about or len(about.get("vectors", ())) > 1


def _main_subject(results: Results, vector: str) -> str | None:
    """The subject that a vector has most of its problems from; None where none has half."""
    problems = results.study["vectors"][vector]["problems"]
    return next((s for s, n in problems.items() if 2 * n > sum(problems.values())), None)


def _alone(results: Results, merges: list[str], vectors: list[str]) -> list[str]:
    """Raw edits of one merged vector, in layers in which vectors are merged; no controls."""
    selections = {results.spec(edit)["selection"] for edit in merges}
    return [
        edit
        for edit in results.evaluated
        if (about := results.spec(edit))
        and len(about["vectors"]) == 1
        and set(about["vectors"]) <= set(vectors)
        and about["transform"] == "raw"
        and about["selection"] in selections
        and results.edits.at[edit, "role"] != "control"
    ]


def _how(results: Results, edit: str) -> str:
    """How the vectors are put together, with the share that is kept or dropped."""
    about = results.spec(edit)
    if about["transform"] == "raw" and len(about["vectors"]) == 1:
        return "alone"
    settings = about.get("merging", {})
    shares = [f"{key} {settings[key]}" for key in ("density", "drop") if key in settings]
    return ", ".join([METHODS[about["transform"]], *shares])


def _vectors(results: Results, edit: str) -> str:
    """Weight and name of each task vector, the target's first."""
    weights = results.spec(edit)["vectors"]
    names = sorted(weights, key=lambda n: (_main_subject(results, n) != results.target, n))
    return " + ".join(f"{weights[name]} {name}" for name in names)


def _interference(results: Results, edit: str, seed: str) -> dict[str, Any]:
    """Cosine, and share of differing signs whole and trimmed, of each pair of vectors."""
    about, table = results.spec(edit), results["interference"]
    table = table[
        (table["seed"] == seed)
        & (table["selection"] == selection_of(results, edit))
        & (table["layer"].astype(str) == ALL)
    ].set_index(["first", "second", "density"])
    pairs = list(combinations(sorted(about["vectors"]), 2))
    density = about.get("merging", {}).get("density")
    trimmed = [(*pair, float(density)) for pair in pairs] if density else []
    whole = [(*pair, 1.0) for pair in pairs]
    return {
        "cosine": listed([table.at[key, "cosine"] for key in whole]),
        "signs_differ": listed([table.at[key, "sign_conflict"] for key in whole]),
        "signs_differ_trimmed": listed([table.at[key, "sign_conflict"] for key in trimmed]),
    }
