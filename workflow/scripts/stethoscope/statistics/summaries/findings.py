"""The study's findings: a row for each question, with its verdict and the numbers behind it.

The sentences are in report/findings.html.j2, one macro for each `kind`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.as_published import PUBLISHED_METHOD
from stethoscope.statistics.results import ABOVE, BELOW, OTHERS, SIGNIFICANT, Paired, Results
from stethoscope.statistics.summaries import verdicts
from stethoscope.statistics.summaries.layers import Bench
from stethoscope.statistics.summaries.registry import frame, summary

Finding = dict[str, Any]
COLUMNS = [
    "key", "kind", "verdict", "edit", "reference", "scope",
    "difference", "ci_low", "ci_high", "n",  # compared, cause; of family the first
    "accuracy", "draws", "lowest", "highest", "mean", "p", "floor", "rank_can_show",  # draws
    "above", "below", "total", "same", "higher",  # rivals; of draws the first two
    "p_alone", "p_corrected", "edits",  # family
    "subjects", "lost", "safe", "undecided", "margin",  # degradation, with lowest and highest
    "alpha_chosen", "accuracy_chosen", "alpha_best", "accuracy_best", "optimism", "repeated",
    "answers_differ",  # optimism, with its interval
    "agree", "published_order", "reproduced_order",  # pattern, with total
]  # fmt: skip
# Rivals: the key of the question and how they pick layers; None takes all of them.
RIVALS = (("depth", "window"), ("norm", "task_vector_norm"), ("selectors", None))


@summary
def findings(results: Results) -> pd.DataFrame:
    """One row for each question that the study can answer, in the order of the page."""
    return frame((row for row in _findings(results) if row), COLUMNS)


@summary
def finding_energy(results: Results) -> pd.DataFrame:
    """Energy of the projections in `findings` of kind cause, seed by seed, beside chance."""
    rows = []
    for key, role in (("cause", "ours"), ("cause-full", "full")):
        raw = results.one(role)
        projected, matched = projected_twins(results, raw) if raw else (None, None)
        if not (results.one("base") and projected and matched):
            continue
        for seed in results.seeds:
            energy = results.energy(projected, seed)
            kept, chance = energy["energy_retained"], energy["chance"]
            if kept >= 0 and chance > 0:
                verdict = verdicts.against_chance(kept, chance)
                row = {"key": key, "seed": seed, "verdict": verdict, "retained": kept}
                rows.append(
                    row | {"chance": chance, "oracle": energy["oracle"], "ratio": kept / chance}
                )
    return frame(rows, ["key", "seed", "verdict", "retained", "chance", "oracle", "ratio"])


def _findings(results: Results) -> Iterator[Finding | None]:
    base, ours, full = (results.one(role) for role in ("base", "ours", "full"))
    projected, here = results.one("projection"), results.target
    among = Bench.of(results)
    rivals, scaled = (among.rivals, among.scaled) if among else ([], None)
    yield _compared(results, "ours-base", ours, base, here)
    yield _compared(results, "ours-others", ours, base, OTHERS)
    yield _compared(results, "full-base", full, base, here)
    yield _compared(results, "full-others", full, base, OTHERS)
    yield _compared(results, "ours-full", ours, full, here)
    yield _compared(results, "ours-full-others", ours, full, OTHERS)
    yield _compared(results, "ours-scaled", ours, scaled, here)
    if ours and results.of("random"):
        yield _among_draws(results, ours)
    for name, by in RIVALS:
        if some := [rival for rival in rivals if by in (None, among.selector(rival))]:
            yield _against_rivals(results, f"ours-{name}", ours, some)
    yield _compared(results, "ours-proj", ours, projected, here)
    yield _compared(results, "proj-base", projected, base, here)
    for key, raw in (("cause", ours), ("cause-full", full)):
        if base and raw and all(twins := projected_twins(results, raw)):
            yield _cause(results, key, base, raw, *twins)
    yield _compared(results, "rest-ours", complement(results), ours, here)
    if ours:
        yield _survival(results, ours)
        yield _degradation(results, ours)
        yield _optimism(results, ours)
    if base and ours:
        yield _pattern(results)


# --- which edits -------------------------------------------------------------------------------


def projected_twins(results: Results, raw: str) -> tuple[str | None, str | None]:
    """The SAE projections of a raw edit in its layers: as they are, and at the raw norm."""
    raw_spec, twins = results.spec(raw), {}
    for edit in results.evaluated:
        spec = results.spec(edit)
        if "projection" not in spec or spec["transform"] != "project":
            continue
        same = all(spec[key] == raw_spec[key] for key in ("vectors", "selection"))
        settings = spec["projection"]
        if same and (settings["basis"], settings["reading"]) == ("sae", "both"):
            twins.setdefault(settings.get("match_norm", False), edit)
    return twins.get(False), twins.get(True)


def complement(results: Results) -> str | None:
    """The evaluated edit that keeps all but the SAE directions, if there is one."""
    for edit in results.evaluated:
        spec = results.spec(edit)
        basis = spec.get("projection", {}).get("basis")
        if basis == "complement" and spec["transform"] == "project":
            return edit
    return None


def _layers(results: Results, edit: str, column: str = "layers") -> list:
    """The edited layers, or their number, seed by seed."""
    return [results.energy(edit, seed)[column] for seed in results.seeds]


# --- one finding each --------------------------------------------------------------------------


def _compared(
    results: Results, key: str, edit: str | None, reference: str | None, subject: str
) -> Finding | None:
    """An edit against a reference on the target or on the other subjects."""
    if edit is None or reference is None:
        return None
    title = results.edits["title"]
    finding = _finding(results, key, "compared", edit) | {"reference": title[reference]}
    if subject != results.target:
        finding["scope"] = "the other subjects"
    return finding | _interval(results.paired(edit, reference, subject))


def _among_draws(results: Results, ours: str) -> Finding:
    draws, target = results.of("random"), results.target
    mine = results.accuracy(ours, target)
    theirs = [results.accuracy(draw, target) for draw in draws]
    floor = 1 / (len(draws) + 1)
    finding = _finding(results, "ours-random", "draws", ours, verdicts.rank_direction(mine, theirs))
    finding |= {"accuracy": mine, "draws": len(draws), "mean": sum(theirs) / len(theirs)}
    finding |= {"lowest": min(theirs), "highest": max(theirs)}
    finding |= {"p": verdicts.rank_p(mine, theirs), "floor": floor}
    finding["rank_can_show"] = floor <= SIGNIFICANT
    paired = [results.paired(ours, draw, target) for draw in draws]
    return finding | (_directions(paired) if all(paired) else {})


def _against_rivals(results: Results, key: str, ours: str, rivals: list[str]) -> Finding:
    finding = _finding(results, key, "rivals", ours)
    paired = [results.paired(ours, rival, results.target) for rival in rivals]
    if not all(paired):
        return finding | {"verdict": "not compared"}
    mine = _layers(results, ours)
    return (
        finding
        | _directions(paired)
        | {
            "verdict": verdicts.against_rivals([one.direction for one in paired]),
            "total": len(rivals),
            "same": sum(_layers(results, rival) == mine for rival in rivals),
            "higher": sum(one.difference < 0 for one in paired),
        }
    )


def _cause(
    results: Results, key: str, base: str, raw: str, projected: str, matched: str
) -> Finding:
    """Whether a projected edit lacks the direction or the size of the raw one."""
    paired = [results.paired(edit, base, results.target) for edit in (raw, projected, matched)]
    finding = _finding(results, key, "cause", raw) | _interval(paired[-1])
    known = all(paired)
    cause = verdicts.direction_or_size(*(one.direction for one in paired)) if known else None
    return finding | {"verdict": cause or "not compared"}


def _survival(results: Results, ours: str) -> Finding | None:
    table = results["families"]
    family = table[(table["seed"] == results.view) & (table["subject"] == results.target)]
    mine = family[family["edit"] == ours]
    if mine.empty:
        return None
    numbers = tuple(mine.iloc[0][["difference", "p_signflip", "p_max"]])
    finding = _finding(results, "ours-family", "family", ours, verdicts.survives(*numbers))
    finding |= dict(zip(("difference", "p_alone", "p_corrected"), numbers, strict=True))
    return finding | {"edits": len(family)}


def _degradation(results: Results, ours: str) -> Finding | None:
    table = results["noninferiority"]
    mine = table[(table["seed"] == results.view) & (table["edit"] == ours)].set_index("subject")
    if mine.empty:
        return None
    mine = mine.loc[results.subjects]
    judged = mine["verdict"]
    finding = _finding(results, "ours-degraded", "degradation", ours, verdicts.degradation(judged))
    return finding | {
        "subjects": len(mine),
        "lost": judged.str.startswith("degraded").sum(),
        "safe": (judged == "not inferior").sum(),
        "undecided": (judged == "undecided").sum(),
        "margin": table["margin"].iloc[0],
        "lowest": mine["mde"].min(),
        "highest": mine["mde"].max(),
    }


def _optimism(results: Results, ours: str) -> Finding | None:
    table = results["optimism"].set_index(["edit", "seed"])
    swept = set(results["optimism"]["edit"])
    edit = next((edit for edit in (ours, *results.evaluated) if edit in swept), None)
    if edit is None:
        return None
    (row,) = table.loc[[(edit, results.view)]].to_dict("records")
    verdict = verdicts.optimism(row["optimism"], row["ci_low"])
    finding = _finding(results, "optimism", "optimism", edit, verdict) | row
    for which in ("alpha_chosen", "alpha_best"):
        alphas = table.loc[[(edit, seed) for seed in results.seeds], which]
        finding[which] = ", ".join(map(str, dict.fromkeys(alphas)))
    return finding


def _pattern(results: Results) -> Finding | None:
    """Signs and order of accuracies against the published Table 1."""
    columns = [f"{SUBJECTS[subject].short}_acc_pct" for subject in results.subjects]
    table = results["table1"].set_index("method").reindex(columns=columns).astype(float)
    rows = {role: table.loc[name] for role, name in PUBLISHED_METHOD.items() if results.one(role)}
    published = {role: row for role, row in rows.items() if row.notna().all()}
    if "base" not in published:
        return None
    measured = {
        role: pd.Series([results.accuracy(results.one(role), s) for s in results.subjects], columns)
        for role in published
    }
    changes = [
        [which[role][column] - which["base"][column] for role in which for column in columns]
        for which in (published, measured)
    ]
    agree, total = verdicts.same_signs(*changes)
    short = columns[results.subjects.index(results.target)]
    orders = [
        verdicts.ranking({role: row[short] for role, row in which.items()})
        for which in (published, measured)
    ]
    same = orders[0] == orders[1]
    verdict = ("whole" if agree == total else "order") if same else "no"
    title = results.edits["title"]
    listed = [" > ".join(title[results.one(role)] for role in order) for order in orders]
    finding = {"key": "pattern", "kind": "pattern", "verdict": verdict}
    finding |= {"scope": SUBJECTS[results.target].type, "total": total, "agree": agree}
    return finding | {"published_order": listed[0], "reproduced_order": listed[1]}


# --- parts of a finding ------------------------------------------------------------------------


def _finding(results: Results, key: str, kind: str, edit: str, verdict: str = "") -> Finding:
    title = results.edits.at[edit, "title"]
    finding = {"key": key, "kind": kind, "verdict": verdict, "edit": title}
    return finding | {"scope": SUBJECTS[results.target].type}


def _interval(paired: Paired | None) -> Finding:
    """Difference with its interval, and the verdict that it gives."""
    if paired is None:
        return {"verdict": "not compared"}
    names = ("difference", "ci_low", "ci_high", "n")
    return {"verdict": paired.direction} | {name: getattr(paired, name) for name in names}


def _directions(paired: list[Paired]) -> Finding:
    """Numbers of intervals above and below zero."""
    ways = [one.direction for one in paired]
    return {"above": ways.count(ABOVE), "below": ways.count(BELOW)}
