"""What a study ran: problems, edits, choice of alpha, layers, answers, assumptions; and did not."""

from __future__ import annotations

import json

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.results import ALL, Results
from stethoscope.statistics.summaries.registry import frame, summary
from stethoscope.statistics.summaries.rows import by_seed, edited, seeds_shown

# Claims of the paper on the energy that projection discards and that raw injection keeps.
ENERGY_CLAIMS = {"energy_discarded": "C06", "energy_kept": "C08"}


@summary
def overview(results: Results) -> pd.DataFrame:
    """What the page says of the study as a whole: one row, empty where the study has none."""
    full, draws = results.one("full"), results.of("random")
    first, seed = results.evaluated[0], results.seeds[0]
    claims = results["text_claims"].set_index("claim_id")["value"]
    row = {
        "seeds": ", ".join(results.seeds),
        "n_seeds": len(results.seeds),
        "n_layers": results.energy(full, seed)["n_layers"] if full else None,
        "n_problems": results.counts(first, ALL, seed)[1],
        "n_problems_target": results.counts(first, results.target, seed)[1],
        "target": SUBJECTS[results.target].type,
        "n_draws": len(draws) or None,
        "n_other": len(results.of("other")),
        "n_unevaluated": len(results.unevaluated),
    }
    return frame([row | {name: claims.get(claim) for name, claim in ENERGY_CLAIMS.items()}])


@summary
def test_problems(results: Results) -> pd.DataFrame:
    """Test problems by subject, and the accuracy of base seed by seed."""
    columns = {subject: f"value_{SUBJECTS[subject].short}" for subject in results.subjects}
    columns[ALL] = f"value_{ALL}"
    first = results.evaluated[0], results.seeds[0]
    rows = [{"kind": "problems", "label": "test problems", "seed": None}]
    for subject, column in columns.items():
        rows[0][column] = results.counts(first[0], subject, first[1])[1]
    several, base = len(results.seeds) > 1, results.one("base")
    for seed in results.seeds if base else ():
        label = "base accuracy, %, seed" if several else "base accuracy, %"
        row = {"kind": "accuracy", "label": label, "seed": seed if several else None}
        rows.append(row | {c: results.accuracy(base, s, seed) for s, c in columns.items()})
    return frame(rows)


@summary
def edits_made(results: Results) -> pd.DataFrame:
    """Layers and chosen alpha of each edit, seed by seed."""
    rows = []
    for edit, seed, row in by_seed(results):
        energy = results.energy(edit, seed)
        names = ("n_layers", "layers", "alpha")
        rows.append(row | {name: None if energy is None else energy[name] for name in names})
    return seeds_shown(results, rows)


@summary
def alpha_grid(results: Results) -> pd.DataFrame:
    """Accuracy on validation problems at every alpha of each edit, an alpha a column."""
    table = results["alphas"]
    edits = edited(results)
    alphas = sorted(set(table.loc[table["edit"].isin(edits), "alpha"]))
    measured = table.set_index(["edit", "seed", "alpha"])
    rows = []
    for edit, seed, row in by_seed(results, edits):
        for alpha in alphas:
            known = (edit, seed, alpha) in measured.index
            for name in ("accuracy", "chosen"):
                value = measured.at[(edit, seed, alpha), name] if known else None
                row[f"{name}_{alpha}"] = value
        rows.append(row)
    return seeds_shown(results, rows)


@summary
def layers(results: Results) -> pd.DataFrame:
    """SP of the target and quality of the SAE, layer by layer."""
    scores = results["specificity"]
    scores = scores[scores["subject"] == results.target]
    parts = [scores[scores["seed"] == seed] for seed in results.seeds]
    table = pd.concat(parts).merge(results["saes"], how="left", on=["seed", "sae", "layer"])
    later = table["seed"].ne(table["seed"].shift()) & (table["seed"] != results.seeds[0])
    table["css"] = table["selected"].map(lambda chosen: "chosen-row" if chosen == 1 else "")
    table.loc[later, "css"] += " rule"
    return seeds_shown(results, table.to_dict("records"))


@summary
def answers(results: Results) -> pd.DataFrame:
    """Length, truncation and parsing of each edit's answers, all subjects together."""
    table = results["accuracy"].set_index(["seed", "edit", "subject"])
    names = ["accuracy", "n", "truncated", "unparsed", "mean_tokens"]
    rows = [
        row | table.loc[(seed, edit, ALL), names].to_dict() for edit, seed, row in by_seed(results)
    ]
    return seeds_shown(results, rows)


@summary
def assumptions(results: Results) -> pd.DataFrame:
    """Values that the paper does not state, each with the study's reason."""
    rows = []
    for about in results.study.get("assumptions", ()):
        value = about["value"]
        rows.append(about | {"value": value if isinstance(value, str) else json.dumps(value)})
    return frame(rows, ["key", "value", "reason"])


@summary
def left_out(results: Results) -> pd.DataFrame:
    """The paper's tables and figures for which a study has no data, and why."""
    reasons = {}
    for table, column, items in (
        ("table2", "config", ("table2", "figure8")),
        ("table3", "method", ("table3", "figure4")),
    ):
        if not any(map(results.reproducing, results[table][column])):
            reasons |= dict.fromkeys(items, "no edit reproduces one of its configurations")
    ours = results.one("ours")
    if results.swept(ours).empty:
        reason = "no α of ours but the chosen one was tried on test problems"
        reasons |= dict.fromkeys(("table4", "figure6", "figure7"), reason)
    if not (ours and results.one("projection")):
        reasons["figure1"] = "it takes an edit of ours and a projection"
    if results["search"].empty:
        reasons["figure9"] = "no search by perplexity was made"
    return pd.DataFrame(reasons.items(), columns=["item", "reason"])
