"""Checks of the alpha sweep and of the rankings (paper, sec. 5.2, Tables 4 and 5)."""

from __future__ import annotations

import pandas as pd
from scipy.stats import chi2_contingency

from stethoscope.published.checks.check import CONTRADICTED, UNDECIDED, holds
from stethoscope.published.recompute import LEVEL
from stethoscope.published.record import MAIN, EmptyCell, Record


def flat_response(record: Record):
    """Homogeneity of the accuracies over the alphas of Table 4."""
    chi2, p, degrees = _homogeneity(record.swept)
    return holds(p >= LEVEL), dict(chi2=chi2, p=p, degrees=degrees, sweep=record.swept)


def best_alpha(record: Record):
    """The best alpha of the sweep differs from the others."""
    sweep, (chi2, p, _) = record.swept, _homogeneity(record.swept)
    best = sweep.loc[sweep["correct"].idxmax(), "alpha"]
    rest = sweep.loc[sweep["alpha"] != best, "p_best"]
    claimed = best == float(record.claim("C39").value)
    verdict = holds(p < LEVEL, UNDECIDED) if claimed else CONTRADICTED
    return verdict, dict(sweep=sweep, best=best, rest=rest, chi2=chi2, p=p, flat=p >= LEVEL)


def drop_at_the_highest_alpha(record: Record):
    """The last alpha of the sweep is worse than the best."""
    sweep = record.swept
    last, best = sweep.loc[sweep["alpha"].idxmax()], sweep.loc[sweep["correct"].idxmax()]
    verdict = holds(last["p_best"] < LEVEL, UNDECIDED)
    verdict = verdict if last["correct"] < best["correct"] else CONTRADICTED
    sig = [record.n_sig("table4", alpha=row["alpha"]) for row in (last, best)]
    return verdict, dict(last=last, best=best, sig=sig)


def full_sweep(record: Record):
    """Table 4 has every alpha that Table 5 ranks for the same configuration."""
    ranked, swept = record.table5[record.table5["configuration"] == MAIN], record.table4
    missing = ranked[~ranked["alpha"].isin(swept["alpha"])]
    return holds(missing.empty), dict(missing=missing, swept=swept)


def top_ten(record: Record):
    """Table 5 lists every alpha of Table 4 that is better than one it lists."""
    swept = record.table4.rename(columns={"NT_acc_pct": "percent"}).dropna(subset=["percent"])
    percent = record.table5["alpha"].map(swept.set_index("alpha")["percent"].astype(float))
    listed = record.table5.assign(percent=percent.where(record.table5["configuration"] == MAIN))
    ranked = listed.dropna(subset=["percent"])
    if ranked.empty:
        raise EmptyCell("no accuracy of Table 4 belongs to a row of Table 5")
    worst = ranked.loc[ranked["percent"].idxmin()]
    absent = swept[~swept["alpha"].isin(ranked["alpha"]) & (swept["percent"] > worst["percent"])]
    ordered = (ranked["percent"].rank(ascending=False) == ranked["rank"].rank()).all()
    implied = list(_implied(listed[listed["percent"].isna()], ranked))
    values = dict(absent=absent, worst=worst, ordered=ordered, implied=implied)
    return holds(ordered and absent.empty), values


def _implied(lost: pd.DataFrame, ranked: pd.DataFrame):
    """NT accuracies that the ranks of Table 5 imply for rows whose own was lost."""
    for row in lost.itertuples():
        above = ranked.loc[ranked["rank"] <= row.rank, "percent"].min()
        below = ranked.loc[ranked["rank"] >= row.rank, "percent"].max()
        name = f"{row.configuration} at {row.alpha:.2f}"
        if pd.notna(above) and pd.notna(below):
            yield f"{name} {below} %" if below == above else f"{name} {below} to {above} %"
        elif pd.notna(above):
            yield f"{name} below {above} %"


def repeated_numbers_agree(record: Record):
    """Every #Sig that is printed more than once for a configuration and alpha is the same."""
    groups = record.statements.groupby(["configuration", "alpha"], sort=False)
    several = {f"{name} at {alpha:.2f}": g for (name, alpha), g in groups if len(g) > 1}
    wrong = {name: group for name, group in several.items() if group["n_sig"].nunique() > 1}
    return holds(not wrong), dict(several=several, wrong=wrong)


def _homogeneity(sweep: pd.DataFrame) -> tuple[float, float, int]:
    """chi-square of equal proportions: statistic, p, degrees of freedom."""
    table = [sweep["correct"], sweep["n"] - sweep["correct"]]
    return chi2_contingency(table, correction=False)[:3]
