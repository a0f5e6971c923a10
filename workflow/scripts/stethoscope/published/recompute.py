"""Recomputed from the published percentages: counts, z and p, GRIM, power (paper, Tables 1, 4).

As every accuracy is k / n with a known n, a printed percentage gives k back, and k gives z and p;
where no k fits, the printed number is impossible (the GRIM test: Brown and Heathers, 2017). The
paper's test (sec. 4) treats two edits as if each had answered problems of its own. A paired test
is impossible, since the answers were not published.

table1, table4 and sizes are config/published/table1.csv, table4.csv and subject_sizes.csv.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, sqrt

import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from stethoscope.statistics.tests import benjamini_hochberg, holm, two_proportion_z

BASE = "Base model"
FULL = "Full LoRA merge (34L)"
PROJECTION = "SAE Projection"
OURS = "Ours (SP4)"
# Tests of the paper (against base), then the contrasts that its conclusions rest on.
PAIRS = ((FULL, BASE), (PROJECTION, BASE), (OURS, BASE), (OURS, PROJECTION), (OURS, FULL))

TARGET = "NT"  # the subject that the paper edits for
ALL, OTHERS = "all", "others"  # all problems; all but the target's
LEVEL = 0.05  # the paper's (sec. 4)
POWER = 0.8  # our reading of "well-powered"


def correct_count(percent: float, n: int, decimals: int = 1) -> list[int]:
    """All numbers correct k for which k / n prints as this percentage; none = impossible.

    percent: as printed, 0 to 100, with at most `decimals` decimals. A k / n exactly halfway
    between two printed values counts for both, since the rounding rule used is not known.
    """
    printed = Decimal(str(percent))
    if not 0 <= printed <= 100 or -printed.normalize().as_tuple().exponent > decimals:
        raise ValueError(f"{percent} is not a percentage printed with {decimals} decimals")
    if n < 1:
        raise ValueError(f"n is {n}: a percentage needs 1 or more problems")
    exact, half = Fraction(printed), Fraction(1, 2 * 10**decimals)
    low, high = ceil((exact - half) * n / 100), floor((exact + half) * n / 100)
    return list(range(max(low, 0), min(high, n) + 1))


def nearest_count(percent: float, n: int) -> tuple[int | None, bool | None]:
    """The k whose k / n is nearest to the printed percentage, and whether it prints so."""
    if pd.isna(percent):
        return None, None
    return round(Fraction(str(percent)) * n / 100), bool(correct_count(percent, n))


def published_counts(table1: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """`method subject n percent correct possible` of each cell of Table 1.

    correct is the k that prints as percent, or the nearest where none does (possible False);
    empty where the cell is.
    """
    for column in ("method", *(f"{subject}_acc_pct" for subject in sizes["subject"])):
        if column not in table1.columns:
            raise ValueError(f"table1: no column {column!r} ({', '.join(table1.columns)})")
    methods = dict.fromkeys(name for pair in PAIRS for name in reversed(pair))
    if sorted(table1["method"]) != sorted(methods):
        raise ValueError(f"table1: needs one row of each method: {', '.join(methods)}")
    rows = [
        (method, subject, n, cells[f"{subject}_acc_pct"])
        for method, cells in table1.set_index("method").iterrows()
        for subject, n in zip(sizes["subject"], sizes["n"].map(int), strict=True)
    ]
    table = pd.DataFrame(
        [(*row, *nearest_count(row[-1], row[-2])) for row in rows],
        columns=["method", "subject", "n", "percent", "correct", "possible"],
    )
    return table.astype({"correct": "Int64", "possible": "boolean"})


def published_comparisons(table1: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Every pair of `PAIRS` on each subject, on all problems and on all but the target's.

    Returns `method reference subject n correct_reference correct_method possible difference
    ci_low ci_high z_pooled p_pooled z_lmeval p_lmeval p_holm p_bh p_holm_table p_bh_table`.
    difference is a fraction, its 95 % interval unpaired with lm-eval's errors. Holm and
    Benjamini-Hochberg are of p_lmeval, over the subjects of one pair, and (`_table`) over all
    tests of methods against base; empty for the sums. Values of an unknown count are empty.
    """
    counts = published_counts(table1, sizes).set_index(["method", "subject"])
    subjects = list(sizes["subject"])
    groups = {subject: [subject] for subject in subjects}
    groups |= {ALL: subjects, OTHERS: [s for s in subjects if s != TARGET]}
    table = pd.DataFrame(
        {"method": method, "reference": reference, "subject": group}
        | _compared(counts.loc[reference].loc[members], counts.loc[method].loc[members])
        for method, reference in PAIRS
        for group, members in groups.items()
    )
    tested = _single(table).dropna(subset=["p_lmeval"])
    against_base = tested[tested["reference"] == BASE]["p_lmeval"]
    adjustments = {"p_holm": holm, "p_bh": benjamini_hochberg}
    for name, adjust in adjustments.items():
        table[name] = tested.groupby(["method", "reference"])["p_lmeval"].transform(adjust)
    for name, adjust in adjustments.items():
        table[f"{name}_table"] = pd.Series(adjust(against_base), against_base.index)
    counted = dict.fromkeys(("correct_reference", "correct_method"), "Int64")
    return table.astype(counted | {"possible": "boolean"})


def _compared(reference: pd.DataFrame, method: pd.DataFrame) -> dict:
    """Sums, difference, z and p of some cells of two methods; None where a count is unknown."""
    n = int(method["n"].sum())
    k0, k1 = (cells["correct"].sum(skipna=False) for cells in (reference, method))
    row = {"n": n, "correct_reference": k0, "correct_method": k1}
    names = "possible difference ci_low ci_high z_pooled p_pooled z_lmeval p_lmeval".split()
    if pd.isna(k0) or pd.isna(k1):
        return row | dict.fromkeys(names)
    difference = (k1 - k0) / n
    half = float(ndtri(0.975)) * lmeval_error(k0 / n, k1 / n, n)
    values = (
        bool(reference["possible"].all() and method["possible"].all()),
        *(difference, difference - half, difference + half),
        *two_proportion_z(k0, n, k1, n, pooled=True),
        *two_proportion_z(k0, n, k1, n, pooled=False),
    )
    return row | dict(zip(names, values, strict=True))


def _single(comparisons: pd.DataFrame) -> pd.DataFrame:
    return comparisons[~comparisons["subject"].isin([ALL, OTHERS])]


def published_table1(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The published Table 1 recomputed: every method against base, a row a subject."""
    table = _single(comparisons[comparisons["reference"] == BASE])
    names = {"correct_reference": "correct_base", "possible": "grim_possible"}
    table = table.rename(columns=names)
    columns = "method subject n correct_base correct_method z_pooled z_lmeval p_lmeval p_holm"
    return table[[*columns.split(), "grim_possible"]].reset_index(drop=True)


def published_significant(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Subjects gained and lost at p < .05 for each pair of `published_comparisons`.

    Returns `method reference n_subjects` and for the pooled z, lm-eval's, Holm, Benjamini and
    Hochberg, and both over all of Table 1: `gains_{test}`, and `losses_{test}` for the first two.
    """
    rows = []
    for (method, reference), table in _single(comparisons).groupby(
        ["method", "reference"], sort=False
    ):
        row = {"method": method, "reference": reference, "n_subjects": table["p_lmeval"].count()}
        for test in ("pooled", "lmeval", "holm", "bh", "holm_table", "bh_table"):
            p = table[f"p_{test}"]
            gained = (p < LEVEL) & (table["difference"] > 0)
            row[f"gains_{test}"] = gained.sum() if p.notna().any() else None
            if test in ("pooled", "lmeval"):
                row[f"losses_{test}"] = ((p < LEVEL) & (table["difference"] < 0)).sum()
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(table.columns[2:], "Int64"))


def published_sweep(
    table1: pd.DataFrame, table4: pd.DataFrame, sizes: pd.DataFrame
) -> pd.DataFrame:
    """The alpha sweep of Table 4 on NT: `alpha percent correct n z_lmeval p_lmeval p_best`.

    z and p against the base of Table 1; p_best is the p against the best alpha of the table,
    unpaired and not corrected for having picked it. The paper's own z did not survive.
    """
    n = int(sizes.set_index("subject")["n"][TARGET])
    k0, _ = nearest_count(table1.set_index("method").loc[BASE, "NT_acc_pct"], n)
    counts = [nearest_count(percent, n)[0] for percent in table4["NT_acc_pct"]]
    best = max((k for k in counts if k is not None), default=None)
    rows = []
    for alpha, percent, k in zip(table4["alpha"], table4["NT_acc_pct"], counts, strict=True):
        z, p = (None, None) if None in (k, k0) else two_proportion_z(k0, n, k, n, pooled=False)
        p_best = None if k is None else two_proportion_z(k, n, best, n, pooled=False)[1]
        rows.append((alpha, percent, k, n, z, p, p_best))
    columns = ["alpha", "percent", "correct", "n", "z_lmeval", "p_lmeval", "p_best"]
    return pd.DataFrame(rows, columns=columns).astype({"correct": "Int64"})


def published_grim(table1: pd.DataFrame, table4: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """GRIM of each percentage of Table 1 and each NT accuracy of Table 4.

    Returns `table row subject n percent correct possible below above`: correct is the only k,
    empty where none or several fit; below and above are the nearest percentages that some k prints
    (one of them the printed one, where it is possible). Empty cells are left out.
    """
    n = int(sizes.set_index("subject")["n"][TARGET])
    cells = [
        ("Table 1", row.method, row.subject, row.n, row.percent)
        for row in published_counts(table1, sizes).itertuples()
    ] + [
        ("Table 4", f"alpha {row.alpha:.2f}", TARGET, n, row.percent)
        for row in table4.rename(columns={"NT_acc_pct": "percent"}).itertuples()
    ]
    rows = []
    for *cell, n, percent in cells:
        if pd.notna(percent):
            fits, exact = correct_count(percent, n), Fraction(str(percent)) * n / 100
            neighbours = (round(100 * k / n, 1) for k in (floor(exact), ceil(exact)))
            only = fits[0] if len(fits) == 1 else None
            rows.append((*cell, n, percent, only, bool(fits), *neighbours))
    names = ["table", "row", "subject", "n", "percent", "correct", "possible", "below", "above"]
    return pd.DataFrame(rows, columns=names).astype({"correct": "Int64"})


def printable_share(n: int) -> float:
    """Share of the percentages 0.0, 0.1, ..., 100.0 that some k / n prints as."""
    return len({round(100 * k / n, 1) for k in range(n + 1)}) / 1001


def lmeval_error(p0: float, p1: float, n: int) -> float:
    """Standard error of p1 - p0 from lm-eval's own errors, sqrt(p (1 - p) / (n - 1))."""
    return sqrt((p0 * (1 - p0) + p1 * (1 - p1)) / (n - 1))


def unpaired_power(base: float, gain: float, n: int) -> float:
    """Power of the paper's two-sided z-test: n problems a side, from base to base + gain.

    base, gain: fractions. A normal approximation with lm-eval's errors, as in the test itself.
    """
    se = lmeval_error(base, base + gain, n)
    critical = float(ndtri(1 - LEVEL / 2))
    return float(ndtr(gain / se - critical) + ndtr(-gain / se - critical))


def unpaired_detectable(base: float, n: int) -> float:
    """Smallest gain (a fraction) that the paper's test detects with power .8."""
    return float(brentq(lambda d: unpaired_power(base, d, n) - POWER, 1e-9, 1 - base - 1e-9))


def problems_needed(base: float, gain: float) -> int:
    """Problems a side from which the paper's test detects this gain with power .8."""
    edit = base + gain
    variance = base * (1 - base) + edit * (1 - edit)
    quantiles = float(ndtri(1 - LEVEL / 2) + ndtri(POWER))
    return ceil(quantiles**2 * variance / gain**2 + 1)


def published_power(table1: pd.DataFrame, sizes: pd.DataFrame, gain: float) -> pd.DataFrame:
    """Power of the paper's test on each subject, starting from the published base.

    gain: the effect that the paper claims to detect on every subject (sec. 4), a fraction.
    Returns `subject n correct_base gain power_at_gain detectable problems_needed`; detectable is
    the smallest gain with power .8, problems_needed the n for `gain` at that power.
    """
    counts = published_counts(table1, sizes)
    table = counts[counts["method"] == BASE].rename(columns={"correct": "correct_base"})
    table = table[["subject", "n", "correct_base"]].reset_index(drop=True).assign(gain=gain)
    known = table.dropna(subset=["correct_base"])
    rows = [
        (
            unpaired_power(k / n, gain, n),
            unpaired_detectable(k / n, n),
            problems_needed(k / n, gain),
        )
        for k, n in zip(known["correct_base"], known["n"], strict=True)
    ]
    columns = ["power_at_gain", "detectable", "problems_needed"]
    return table.join(pd.DataFrame(rows, columns=columns, index=known.index))
