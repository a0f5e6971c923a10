"""What follows from the published percentages: z and p of every pair, GRIM, power, the formula.

Paper, Tables 1 and 4, sec. 4 ("Statistical testing"). The paper's test takes two edits as if each
had been asked its own problems; that test is repeated here, and nothing more can be: a paired
test needs to know which problems were solved, which was not published.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import asin, ceil, floor, log, sqrt

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtr
from scipy.stats import fisher_exact

from stethoscope.published.recompute import (
    BASE_METHOD,
    FULL_METHOD,
    OUR_METHOD,
    PROJECTION_METHOD,
    correct_count,
    nearest_count,
)
from stethoscope.statistics.tests import benjamini_hochberg, holm, two_proportion_z

TARGET = "NT"  # the subject that the paper edits for
ALL, OTHERS = "all", "others"  # all problems; all but the target's
LEVEL = 0.05  # the paper's (sec. 4)
POWER = 0.8  # what "well-powered" is taken to mean

# Tests of the paper (against base), then the contrasts that its conclusions rest on.
PAIRS = (
    (FULL_METHOD, BASE_METHOD),
    (PROJECTION_METHOD, BASE_METHOD),
    (OUR_METHOD, BASE_METHOD),
    (OUR_METHOD, PROJECTION_METHOD),
    (OUR_METHOD, FULL_METHOD),
)


def published_counts(table1: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """`method subject n percent correct possible` of each cell of Table 1.

    table1, sizes: as in `published.published_table1`. correct is the k that prints as percent,
    or the nearest where none does (possible False); empty where the cell is.
    """
    rows = [
        (method, subject, n, percent, *nearest_count(percent, n))
        for method, cells in table1.set_index("method").iterrows()
        for subject, n in zip(sizes["subject"], sizes["n"].map(int), strict=True)
        for percent in (cells[f"{subject}_acc_pct"],)
    ]
    table = pd.DataFrame(rows, columns=["method", "subject", "n", "percent", "correct", "possible"])
    return table.astype({"correct": "Int64", "possible": "boolean"})


def published_comparisons(table1: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Every method against base, and ours against the other two, subject by subject and pooled.

    Returns `method reference subject n correct_reference correct_method possible difference
    ci_low ci_high z_pooled p_pooled z_lmeval p_lmeval p_holm p_bh p_holm_table p_bh_table`.
    subject "all" sums the counts of all subjects (the micro-average), "others" of all but NT.
    difference is a fraction, its 95 % interval unpaired with lm-eval's errors. Holm and
    Benjamini-Hochberg are of p_lmeval, over the subjects of one pair, and (`_table`) over all
    tests of methods against base; empty for the sums. Where a count is unknown the row is too.
    """
    counts = published_counts(table1, sizes).set_index(["method", "subject"])
    subjects = list(sizes["subject"])
    groups = {subject: [subject] for subject in subjects}
    groups |= {ALL: subjects, OTHERS: [s for s in subjects if s != TARGET]}
    rows = []
    for method, reference in PAIRS:
        for group, members in groups.items():
            ours, theirs = (
                counts.loc[[(name, subject) for subject in members]] for name in (method, reference)
            )
            known = ours["correct"].notna().all() and theirs["correct"].notna().all()
            n = int(ours["n"].sum())
            row = {"method": method, "reference": reference, "subject": group, "n": n}
            if known:
                k0, k1 = int(theirs["correct"].sum()), int(ours["correct"].sum())
                row |= {"correct_reference": k0, "correct_method": k1}
                row |= {"possible": bool(ours["possible"].all() and theirs["possible"].all())}
                row |= _unpaired(k0, n, k1)
            rows.append(row)
    columns = "method reference subject n correct_reference correct_method possible difference "
    columns += "ci_low ci_high z_pooled p_pooled z_lmeval p_lmeval"
    table = pd.DataFrame(rows, columns=columns.split())
    single = table["subject"].isin(subjects) & table["p_lmeval"].notna()
    _correct(table, [group.index for _, group in table[single].groupby(["method", "reference"])])
    against_base = table[single & (table["reference"] == BASE_METHOD)]
    _correct(table, [against_base.index], "_table")
    counted = dict.fromkeys(("correct_reference", "correct_method"), "Int64")
    return table.astype(counted | {"possible": "boolean"})


def published_significant(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Subjects gained and lost at p < .05 for each pair of `published_comparisons`.

    Returns `method reference n_subjects` and for the pooled z, lm-eval's, Holm, Benjamini and
    Hochberg, and both over all of Table 1: `gains_{test}`, and `losses_{test}` for the first two.
    """
    tests = {"pooled": "p_pooled", "lmeval": "p_lmeval", "holm": "p_holm", "bh": "p_bh"}
    tests |= {"holm_table": "p_holm_table", "bh_table": "p_bh_table"}
    rows = []
    single = comparisons[~comparisons["subject"].isin([ALL, OTHERS])]
    for (method, reference), table in single.groupby(["method", "reference"], sort=False):
        row = {"method": method, "reference": reference, "n_subjects": table["p_lmeval"].count()}
        for test, column in tests.items():
            small = table[column] < LEVEL
            tested = table[column].notna().any()
            row[f"gains_{test}"] = (
                int((small & (table["difference"] > 0)).sum()) if tested else None
            )
            if test in ("pooled", "lmeval"):
                row[f"losses_{test}"] = int((small & (table["difference"] < 0)).sum())
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.astype({name: "Int64" for name in table.columns[2:]})


def published_sweep(table1: pd.DataFrame, table4: pd.DataFrame, n: int) -> pd.DataFrame:
    """The alpha sweep of Table 4 on NT: `alpha percent correct n z_lmeval p_lmeval p_best`.

    z and p against the base of Table 1; p_best is the p against the best alpha of the table,
    unpaired and not corrected for having picked it. The paper's own z did not survive.
    """
    base = table1.set_index("method").loc[BASE_METHOD, f"{TARGET}_acc_pct"]
    k0, _ = nearest_count(base, n)
    counts = [nearest_count(percent, n)[0] for percent in table4[f"{TARGET}_acc_pct"]]
    best = max((k for k in counts if k is not None), default=None)
    rows = []
    for alpha, percent, k in zip(table4["alpha"], table4[f"{TARGET}_acc_pct"], counts, strict=True):
        row = {"alpha": alpha, "percent": percent, "correct": k, "n": n}
        if k is not None:
            row["p_best"] = two_proportion_z(k, n, best, n, pooled=False)[1]
        if k is not None and k0 is not None:
            row["z_lmeval"], row["p_lmeval"] = two_proportion_z(k0, n, k, n, pooled=False)
        rows.append(row)
    columns = ["alpha", "percent", "correct", "n", "z_lmeval", "p_lmeval", "p_best"]
    return pd.DataFrame(rows, columns=columns).astype({"correct": "Int64"})


def published_grim(table1: pd.DataFrame, table4: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Can k / n print as it? For each percentage of Table 1 and each NT accuracy of Table 4.

    Returns `table row subject n percent correct possible below above`: correct is the only k,
    empty where none or several fit; below and above are the percentages next to the printed one
    that some k does print (one of them itself, where it is possible). Empty cells are left out.
    """
    cells = [
        ("Table 1", row.method, row.subject, row.n, row.percent)
        for row in published_counts(table1, sizes).itertuples()
    ]
    n = int(sizes.set_index("subject")["n"][TARGET])
    cells += [
        ("Table 4", f"alpha {alpha:.2f}", TARGET, n, percent)
        for alpha, percent in zip(table4["alpha"], table4[f"{TARGET}_acc_pct"], strict=True)
    ]
    rows = []
    for *about, n, percent in cells:
        if pd.isna(percent):
            continue
        found = correct_count(percent, n)
        exact = Fraction(str(percent)) * n / 100
        below, above = (round(100 * k / n, 1) for k in (floor(exact), ceil(exact)))
        only = found[0] if len(found) == 1 else None
        rows.append((*about, n, percent, only, bool(found), below, above))
    names = ["table", "row", "subject", "n", "percent", "correct", "possible", "below", "above"]
    return pd.DataFrame(rows, columns=names).astype({"correct": "Int64"})


def printable_share(n: int) -> float:
    """Share of the percentages 0.0, 0.1, ..., 100.0 that some k / n prints as."""
    return len({round(100 * k / n, 1) for k in range(n + 1)}) / 1001


def unpaired_power(base: float, gain: float, n: int, level: float = LEVEL) -> float:
    """Power of the paper's two-sided z-test: n problems a side, from base to base + gain.

    base, gain: fractions. A normal approximation with lm-eval's errors, as in the test itself.
    """
    edit = base + gain
    se = sqrt((base * (1 - base) + edit * (1 - edit)) / (n - 1))
    critical = float(ndtri(1 - level / 2))
    return float(ndtr(gain / se - critical) + ndtr(-gain / se - critical))


def unpaired_detectable(base: float, n: int, power: float = POWER, level: float = LEVEL) -> float:
    """Smallest gain (a fraction) that the paper's test finds with this power."""
    return float(brentq(lambda d: unpaired_power(base, d, n, level) - power, 1e-9, 1 - base - 1e-9))


def problems_needed(base: float, gain: float, power: float = POWER, level: float = LEVEL) -> int:
    """Problems a side from which the paper's test finds this gain with this power."""
    edit = base + gain
    variance = base * (1 - base) + edit * (1 - edit)
    quantiles = float(ndtri(1 - level / 2) + ndtri(power))
    return ceil(quantiles**2 * variance / gain**2 + 1)


def published_power(table1: pd.DataFrame, sizes: pd.DataFrame, gain: float) -> pd.DataFrame:
    """What the paper's test could find on each subject, starting from the published base.

    gain: the effect that the paper says it can detect on every subject (sec. 4), a fraction.
    Returns `subject n correct_base gain power_at_gain detectable problems_needed`; detectable is
    the smallest gain with power .8, problems_needed the n for `gain` at that power.
    """
    counts = published_counts(table1, sizes)
    rows = []
    for cell in counts[counts["method"] == BASE_METHOD].itertuples():
        row = {"subject": cell.subject, "n": cell.n, "correct_base": cell.correct, "gain": gain}
        if not pd.isna(cell.correct):
            base = cell.correct / cell.n
            row["power_at_gain"] = unpaired_power(base, gain, cell.n)
            row["detectable"] = unpaired_detectable(base, cell.n)
            row["problems_needed"] = problems_needed(base, gain)
        rows.append(row)
    columns = "subject n correct_base gain power_at_gain detectable problems_needed".split()
    return pd.DataFrame(rows, columns=columns).astype({"correct_base": "Int64"})


def published_formulas(
    percents: tuple[float, float], n: int, z_printed: str, p_printed: str
) -> pd.DataFrame:
    """Which test prints the paper's headline z and p? One row a candidate.

    percents: NT accuracy of base and of ours, as printed; both give one count (`correct_count`).
    Returns `formula z p z_printed p_printed z_prints p_prints both_print`; the last three say
    yes or no, and nothing where a test has no z.
    """
    (k0,), (k1,) = (correct_count(percent, n) for percent in percents)
    candidates = {
        formula: compute(k0, k1, n, percents[0] / 100, percents[1] / 100)
        for formula, compute in _FORMULAS.items()
    }
    candidates["normal p of the printed z"] = _normal(float(z_printed))
    rows = []
    for formula, (z, p) in candidates.items():
        z_prints = None if z is None else prints_as(z, z_printed)
        p_prints = prints_as(p, p_printed)
        both = bool(z_prints) and p_prints
        shown = [None if x is None else "yes" if x else "no" for x in (z_prints, p_prints, both)]
        rows.append((formula, z, p, z_printed, p_printed, *shown))
    columns = ["formula", "z", "p", "z_printed", "p_printed", "z_prints", "p_prints", "both_print"]
    return pd.DataFrame(rows, columns=columns).astype({"z": "float64"})


def prints_as(value: float, printed: str) -> bool:
    """Does value, rounded to as many decimals, read as printed ("+3.41", "0.0007")?"""
    decimals = len(printed.partition(".")[2])
    return f"{value:.{decimals}f}" == printed.lstrip("+").replace("−", "-")


def _unpaired(k0: int, n: int, k1: int) -> dict[str, float]:
    z_pooled, p_pooled = two_proportion_z(k0, n, k1, n, pooled=True)
    z, p = two_proportion_z(k0, n, k1, n, pooled=False)
    difference = (k1 - k0) / n
    half = float(ndtri(0.975)) * _lmeval_error(k0 / n, k1 / n, n)
    return {
        "difference": difference,
        "ci_low": difference - half,
        "ci_high": difference + half,
        "z_pooled": z_pooled,
        "p_pooled": p_pooled,
        "z_lmeval": z,
        "p_lmeval": p,
    }


def _correct(table: pd.DataFrame, families: list[pd.Index], suffix: str = "") -> None:
    """Add p_holm and p_bh of p_lmeval within each family of rows."""
    for column, adjust in (("p_holm", holm), ("p_bh", benjamini_hochberg)):
        table[column + suffix] = np.nan
        for rows in families:
            table.loc[rows, column + suffix] = adjust(table.loc[rows, "p_lmeval"])


def _lmeval_error(p0: float, p1: float, n: int) -> float:
    """Standard error of p1 - p0 from lm-eval's own errors, sqrt(p (1 - p) / (n - 1))."""
    return sqrt((p0 * (1 - p0) + p1 * (1 - p1)) / (n - 1))


def _normal(z: float) -> tuple[float, float]:
    return z, float(2 * ndtr(-abs(z)))


def _welch(k0: int, k1: int, n: int) -> tuple[float, float]:
    """t of the 0/1 scores with unequal variances: lm-eval's z, Welch's degrees of freedom."""
    t, _ = two_proportion_z(k0, n, k1, n, pooled=False)
    a, b = (k / n * (1 - k / n) for k in (k0, k1))
    degrees = (n - 1) * (a + b) ** 2 / (a**2 + b**2)
    return t, float(2 * stdtr(degrees, -abs(t)))


def _yates(k0: int, k1: int, n: int) -> tuple[float, float]:
    pooled = (k0 + k1) / (2 * n)
    shrunk = max(abs(k1 - k0) / n - 1 / n, 0)
    return _normal(np.sign(k1 - k0) * shrunk / sqrt(pooled * (1 - pooled) * 2 / n))


def _log_odds(k0: int, k1: int, n: int) -> tuple[float, float]:
    difference = log(k1 / (n - k1)) - log(k0 / (n - k0))
    return _normal(difference / sqrt(1 / k0 + 1 / (n - k0) + 1 / k1 + 1 / (n - k1)))


def _in_lmeval_table(k0: int, k1: int, n: int) -> tuple[float, float]:
    """From accuracy and error as lm-eval's table prints them, to 4 decimals."""
    p0, p1 = round(k0 / n, 4), round(k1 / n, 4)
    errors = (round(sqrt(k / n * (1 - k / n) / (n - 1)), 4) for k in (k0, k1))
    return _normal((p1 - p0) / sqrt(sum(error**2 for error in errors)))


# name -> (k0, k1, n, printed proportions) to (z, p); z is None where a test has none.
_FORMULAS: dict[str, Callable[[int, int, int, float, float], tuple[float | None, float]]] = {
    "unpooled, lm-eval's standard errors (n − 1)": lambda k0, k1, n, *_: two_proportion_z(
        k0, n, k1, n, pooled=False
    ),
    "unpooled, n, from the printed percentages": lambda k0, k1, n, p0, p1: _normal(
        (p1 - p0) / sqrt((p0 * (1 - p0) + p1 * (1 - p1)) / n)
    ),
    "unpooled, accuracies rounded to 4 decimals": lambda k0, k1, n, *_: _normal(
        (round(k1 / n, 4) - round(k0 / n, 4)) / _lmeval_error(k0 / n, k1 / n, n)
    ),
    "Welch's t of the 0/1 scores": lambda k0, k1, n, *_: _welch(k0, k1, n),
    "unpooled, n": lambda k0, k1, n, *_: _normal(
        (k1 - k0) / n / (_lmeval_error(k0 / n, k1 / n, n) * sqrt((n - 1) / n))
    ),
    "pooled (the textbook test)": lambda k0, k1, n, *_: two_proportion_z(k0, n, k1, n, pooled=True),
    "pooled, Yates's correction": lambda k0, k1, n, *_: _yates(k0, k1, n),
    "unpooled, accuracy and error as in lm-eval's table": lambda k0, k1, n, *_: _in_lmeval_table(
        k0, k1, n
    ),
    "difference of arcsines": lambda k0, k1, n, *_: _normal(
        2 * (asin(sqrt(k1 / n)) - asin(sqrt(k0 / n))) * sqrt(n / 2)
    ),
    "difference of log odds (Wald)": lambda k0, k1, n, *_: _log_odds(k0, k1, n),
    "Fisher's exact test": lambda k0, k1, n, *_: (
        None,
        float(fisher_exact([[k1, n - k1], [k0, n - k0]])[1]),
    ),
}
