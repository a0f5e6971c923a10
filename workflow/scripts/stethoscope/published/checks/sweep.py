"""Checks of the alpha sweep and of the rankings (paper, sec. 5.2, Tables 4 and 5)."""

from __future__ import annotations

import pandas as pd
from scipy.stats import chi2_contingency

from stethoscope.published.checks.check import (
    CONTRADICTED,
    HOLDS,
    UNDECIDED,
    Check,
    Outcome,
    registry,
    two_digits,
)
from stethoscope.published.record import (
    OURS,
    EmptyCell,
    Record,
)
from stethoscope.published.retest import LEVEL

CHECKS: list[Check] = []
check = registry(CHECKS)


@check(cites=("C60",), tables="Table 4")
def flat_response(record: Record) -> Outcome:
    """Homogeneity of the accuracies over the alphas of Table 4."""
    sweep = record.swept
    chi2, p, degrees = _homogeneity(sweep)
    return Outcome(
        f"χ² = {chi2:.2f} on {degrees} degrees of freedom, p = {two_digits(p)}",
        HOLDS if p >= LEVEL else CONTRADICTED,
        f"Counts of {sweep['n'].iloc[0]}: {', '.join(map(str, sweep['correct']))}. As if the "
        "problems were different ones for each α; a paired test needs the answers.",
    )


@check(cites=("C39",), tables="Table 4, Table 5 (“Global optimum”)")
def best_alpha(record: Record) -> Outcome:
    """Is the best alpha of the sweep told apart from the others?"""
    sweep = record.swept
    chi2, p, _ = _homogeneity(sweep)
    best = sweep.loc[sweep["correct"].astype(int).idxmax()]
    rest = sweep[sweep["alpha"] != best["alpha"]]
    claimed = float(record.claim("C39").value)
    if best["alpha"] != claimed:
        verdict = CONTRADICTED
    else:
        verdict = HOLDS if p < LEVEL else UNDECIDED
    low, high = (two_digits(value) for value in (rest["p_best"].min(), rest["p_best"].max()))
    return Outcome(
        f"Highest is α = {best['alpha']:.2f}; against the others p = {low} to {high}, uncorrected",
        verdict,
        f"All {len(sweep)} accuracies are compatible with one (p = {two_digits(p)}): the sweep "
        "does not tell its best α from the others, and a rule for α cannot rest on it."
        if p >= LEVEL
        else f"The accuracies differ (χ² = {chi2:.2f}, p = {two_digits(p)}).",
    )


@check(cites=("C61",), tables="Table 4")
def drop_at_the_highest_alpha(record: Record) -> Outcome:
    """Is the last alpha of the sweep worse than the best?"""
    sweep = record.swept
    last = sweep.loc[sweep["alpha"].idxmax()]
    best = sweep.loc[sweep["correct"].astype(int).idxmax()]
    sig = record.n_sig("table4", alpha=last["alpha"])
    if last["correct"] >= best["correct"]:
        verdict = CONTRADICTED
    else:
        verdict = HOLDS if last["p_best"] < LEVEL else UNDECIDED
    return Outcome(
        f"{int(last['correct'])} right at α = {last['alpha']:.2f} against "
        f"{int(best['correct'])} at {best['alpha']:.2f}: p = {two_digits(last['p_best'])}",
        verdict,
        f"#Sig there is {sig}, at the best α {record.n_sig('table4', alpha=best['alpha'])}.",
    )


@check(cites=("C55",), tables="Table 4, Table 5")
def full_sweep(record: Record) -> Outcome:
    """Has Table 4 every alpha that Table 5 ranks for the same configuration?"""
    ranked = record.table5[record.table5["configuration"] == OURS]
    missing = ranked[~ranked["alpha"].isin(record.table4["alpha"])]
    shown = ", ".join(f"{row.alpha:.2f} (rank {row.rank})" for row in missing.itertuples())
    return Outcome(
        f"α = {shown} stands in Table 5 and not in Table 4"
        if shown
        else "Every α of Table 5 is in it",
        CONTRADICTED if shown else HOLDS,
        f"Table 4 has α = {', '.join(f'{alpha:.2f}' for alpha in record.table4['alpha'])}.",
    )


@check(cites=("C54",), tables="Table 4, Table 5")
def top_ten(record: Record) -> Outcome:
    """Is every configuration of Table 4 in Table 5 that is better than one listed there?"""
    known = record.table4.dropna(subset=["NT_acc_pct"]).set_index("alpha")["NT_acc_pct"]
    listed = record.table5.assign(
        percent=[
            known.get(row.alpha) if row.configuration == OURS else None
            for row in record.table5.itertuples()
        ]
    )
    ranked = listed.dropna(subset=["percent"]).astype({"percent": float})
    if ranked.empty:
        raise EmptyCell("no accuracy of Table 4 belongs to a row of Table 5")
    worst = ranked.loc[ranked["percent"].idxmin()]
    absent = known[~known.index.isin(ranked["alpha"]) & (known > worst["percent"])]
    order = all(
        (a.percent > b.percent) == (a.rank < b.rank)
        and (a.percent == b.percent) == (a.rank == b.rank)
        for a in ranked.itertuples()
        for b in ranked.itertuples()
    )
    shown = ", ".join(f"α = {alpha:.2f} ({percent} %)" for alpha, percent in absent.items())
    found = f"Absent: {shown}, above rank {worst['rank']} ({worst['percent']} %)"
    return Outcome(
        (found if shown else "No better α of Table 4 is absent")
        + ("" if order else "; those listed stand in another order than in Table 4"),
        CONTRADICTED if shown or not order else HOLDS,
        _implied(listed, ranked),
    )


def _implied(listed: pd.DataFrame, ranked: pd.DataFrame) -> str:
    """NT accuracies that the ranks of Table 5 imply for rows whose own was lost."""
    found = []
    for row in listed[listed["percent"].isna()].itertuples():
        above = ranked.loc[ranked["rank"] <= row.rank, "percent"]
        below = ranked.loc[ranked["rank"] >= row.rank, "percent"]
        name = f"{row.configuration} at {row.alpha:.2f}"
        if len(above) and len(below):
            low, high = below.max(), above.min()
            found.append(f"{name} {low} %" if low == high else f"{name} {low} to {high} %")
        elif len(above):
            found.append(f"{name} below {above.min()} %")
    return "The ranks imply for NT: " + "; ".join(found) + "." if found else ""


@check(tables="Tables 1, 2, 4, 5, text", says="#Sig is given several times for the same edit")
def repeated_numbers_agree(record: Record) -> Outcome:
    """Every #Sig that is printed more than once for a configuration and alpha."""
    groups = record.statements.groupby(["configuration", "alpha"], sort=False)
    several = {key: group for key, group in groups if len(group) > 1}
    wrong = {key: group for key, group in several.items() if group["n_sig"].nunique() > 1}
    shown = "; ".join(
        f"{name} at {alpha:.2f}: " + ", ".join(f"{r.n_sig} ({r.where})" for r in group.itertuples())
        for (name, alpha), group in wrong.items()
    )
    return Outcome(
        f"{len(several) - len(wrong)} of {len(several)} agree"
        + (f"; not {shown}" if shown else ""),
        CONTRADICTED if wrong else HOLDS,
        "Compared: "
        + "; ".join(
            f"{name} at {alpha:.2f} ({len(g)} times)" for (name, alpha), g in several.items()
        )
        + ".",
    )


def _homogeneity(sweep: pd.DataFrame) -> tuple[float, float, int]:
    """chi-square of equal proportions: statistic, p, degrees of freedom."""
    right = sweep["correct"].astype(int).to_numpy()
    found = chi2_contingency([right, sweep["n"].to_numpy() - right], correction=False)
    return float(found.statistic), float(found.pvalue), int(found.dof)
