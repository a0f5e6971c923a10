"""The published Table 1, recomputed from its own percentages.

The paper prints accuracies with one decimal and, for most cells, neither counts nor z. As every
accuracy is k / n with a known n, the printed percentage gives k back, and k gives z and p; where
no k fits, the printed number is impossible (the GRIM test: Brown and Heathers, 2017).
"""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pandas as pd

from stethoscope.statistics.tests import holm, two_proportion_z

BASE_METHOD = "Base model"
FULL_METHOD = "Full LoRA merge (34L)"
PROJECTION_METHOD = "SAE Projection"
OUR_METHOD = "Ours (SP4)"

_COLUMNS = {
    "method": "str",
    "subject": "str",
    "n": "int64",
    "correct_base": "Int64",
    "correct_method": "Int64",
    "z_pooled": "float64",
    "z_lmeval": "float64",
    "p_lmeval": "float64",
    "p_holm": "float64",
    "grim_possible": "boolean",
}


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
    possible = bool(correct_count(percent, n))
    return round(Fraction(str(percent)) * n / 100), possible


def published_table1(table1: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Counts, z and p of every published method against the published base model.

    table1: column method (one row is "Base model") and {subject}_acc_pct for each subject.
    sizes: columns subject (short code, NT) and n, in the order wanted.

    Returns `method subject n correct_base correct_method z_pooled z_lmeval p_lmeval p_holm
    grim_possible`; both z as in `two_proportion_z`, p two-sided, Holm over the subjects of a
    method. Where no k can print as the published percentage, the nearest k is carried and
    grim_possible is False. Where a cell is empty, all that would follow from it stays empty.
    """
    for name, frame, columns in (
        ("table1", table1, ["method", *(f"{s}_acc_pct" for s in sizes.get("subject", []))]),
        ("subject_sizes", sizes, ["subject", "n"]),
    ):
        for column in columns:
            if column not in frame.columns:
                raise ValueError(f"{name}: no column {column!r} ({', '.join(frame.columns)})")
    if (table1["method"] == BASE_METHOD).sum() != 1 or table1["method"].duplicated().any():
        raise ValueError(f"table1: needs each method once, and one of them {BASE_METHOD!r}")

    printed = table1.set_index("method")
    tables = []
    for method in printed.index:
        if method == BASE_METHOD:
            continue
        rows = [
            (method, subject, n, *_cell(*printed.loc[[BASE_METHOD, method], column], int(n)))
            for subject, n, column in zip(
                sizes["subject"], sizes["n"], sizes["subject"] + "_acc_pct", strict=True
            )
        ]
        table = pd.DataFrame(rows, columns=[c for c in _COLUMNS if c != "p_holm"])
        known = table["p_lmeval"].notna()
        table.loc[known, "p_holm"] = holm(table.loc[known, "p_lmeval"].astype("float64"))
        tables.append(table[list(_COLUMNS)].astype(_COLUMNS))
    return pd.concat(tables, ignore_index=True)


def published_significant(published: pd.DataFrame, level: float = 0.05) -> pd.DataFrame:
    """#Sig of Table 1 from `published_table1`: subjects with a gain of p < level.

    Returns `method n_subjects n_significant n_degraded n_significant_holm`: gains by the
    paper's uncorrected p (0, 0 and 5 of 7, as published), losses by the same p, and gains that
    are left after Holm.
    """
    rows = []
    for method, table in published.groupby("method", sort=False):
        gain, loss = table["z_lmeval"] > 0, table["z_lmeval"] < 0
        small = table["p_lmeval"] < level
        after_holm = gain & (table["p_holm"] < level)
        tested = table["p_lmeval"].notna()
        flags = (tested, gain & small, loss & small, after_holm)
        rows.append((method, *(int(flag.sum()) for flag in flags)))
    counts = ["n_subjects", "n_significant", "n_degraded", "n_significant_holm"]
    table = pd.DataFrame(rows, columns=["method", *counts])
    return table.astype({"method": "str"} | dict.fromkeys(counts, "int64"))


def _cell(percent_base: float, percent_method: float, n: int) -> tuple:
    """correct_base, correct_method, z_pooled, z_lmeval, p_lmeval, grim_possible of one cell."""
    k0, possible0 = nearest_count(percent_base, n)
    k1, possible1 = nearest_count(percent_method, n)
    if k0 is None or k1 is None:
        return k0, k1, None, None, None, None
    z_pooled, _ = two_proportion_z(k0, n, k1, n, pooled=True)
    z_lmeval, p_lmeval = two_proportion_z(k0, n, k1, n, pooled=False)
    return k0, k1, z_pooled, z_lmeval, p_lmeval, possible0 and possible1
