"""Checks of Table 1 and of the tests made on it (paper, sec. 4 and 5.1)."""

from __future__ import annotations

import pandas as pd
from scipy.special import bdtr

from stethoscope.published.checks.check import (
    CONTRADICTED,
    HOLDS,
    IMPOSSIBLE,
    UNDECIDED,
    Check,
    Outcome,
    points,
    registry,
    signed,
    two_digits,
)
from stethoscope.published.recompute import BASE_METHOD, FULL_METHOD, OUR_METHOD, PROJECTION_METHOD
from stethoscope.published.record import (
    OURS,
    EmptyCell,
    Record,
    significant,
)
from stethoscope.published.retest import (
    LEVEL,
    OTHERS,
    POWER,
    TARGET,
    printable_share,
    published_formulas,
    unpaired_power,
)

CHECKS: list[Check] = []
check = registry(CHECKS)


@check(cites=("C03", "C04"), tables="Table 1")
def headline_statistic(record: Record) -> Outcome:
    """Some test of the headline accuracies prints the headline z and p."""
    table = _accuracies(record)
    percents = (table.loc[BASE_METHOD, TARGET], table.loc[OUR_METHOD, TARGET])
    z, p = record.claim("C03").value, record.claim("C04").value
    formulas = published_formulas(percents, int(record.sizes[TARGET]), z, p)
    both = formulas[formulas["both_print"] == "yes"]
    pooled = formulas[formulas["formula"].str.startswith("pooled")].iloc[0]
    return Outcome(
        f"{len(both)} of {len(formulas)} formulas print both z = {z} and p = {p}",
        HOLDS if len(both) else CONTRADICTED,
        f"First of them: {both['formula'].iloc[0]}. Textbook pooled z: {pooled['z']:+.2f}."
        if len(both)
        else f"Textbook pooled test: z = {pooled['z']:+.2f}, p = {pooled['p']:.4f}.",
    )


@check(cites=("C01", "C02"), tables="Table 1")
def headline_accuracies(record: Record) -> Outcome:
    """The accuracies of the abstract are those of Tables 1 and 4."""
    table, alpha = _accuracies(record), float(record.claim("C39").value)
    claimed = [float(record.claim(name).value) for name in ("C01", "C02")]
    printed = [table.loc[method, TARGET] for method in (BASE_METHOD, OUR_METHOD)]
    again = record.cell("Table 4", record.only("table4", alpha=alpha), "NT_acc_pct")
    return Outcome(
        f"Table 1: {printed[0]} and {printed[1]} %; Table 4 at α = {alpha}: {again} %",
        HOLDS if claimed == printed and again == claimed[1] else CONTRADICTED,
    )


@check(cites=("C05", "C07"), tables="Table 1")
def number_of_significant_subjects(record: Record) -> Outcome:
    """#Sig of Table 1 from the z recomputed, by either formula; and no loss."""
    published = record.table1.set_index("method")["n_sig_of_7"].dropna().astype(int)
    if published.empty:
        raise EmptyCell("#Sig of Table 1 is not in the surviving text")
    found = record.significant.xs(BASE_METHOD, level="reference").loc[published.index]
    claimed = {OUR_METHOD: "C05", PROJECTION_METHOD: "C07"}
    said = all(
        record.claim(name).numbers[0] == found.loc[method, "gains_lmeval"]
        for method, name in claimed.items()
    )
    same = said and all((found[f"gains_{z}"] == published).all() for z in ("pooled", "lmeval"))
    losses = int(found.loc[OUR_METHOD, "losses_lmeval"])
    ours = found.loc[OUR_METHOD]
    return Outcome(
        "#Sig recomputed: "
        + ", ".join(f"{name} {count}" for name, count in found["gains_lmeval"].items())
        + f"; losses of ours: {losses}",
        HOLDS if same and losses == 0 else CONTRADICTED,
        f"Same by the pooled z. Of ours, Holm over the subjects leaves {ours['gains_holm']}, "
        f"Benjamini-Hochberg {ours['gains_bh']}; over all tests of the table Holm leaves "
        f"{ours['gains_holm_table']}, Benjamini-Hochberg {ours['gains_bh_table']}."
        if same
        else f"Published: {', '.join(f'{name} {count}' for name, count in published.items())}.",
    )


@check(cites=("C04", "C23"), tables="Table 1")
def gain_after_all_configurations(record: Record) -> Outcome:
    """The headline p survives Bonferroni over the configurations that were tried on the test."""
    tried = record.claim("C23").numbers[0]
    row = record.compared(OUR_METHOD, BASE_METHOD, TARGET)
    corrected = min(1.0, tried * row["p_lmeval"])
    total = record.compared(OUR_METHOD, BASE_METHOD)
    others = record.compared(OUR_METHOD, BASE_METHOD, OTHERS)
    return Outcome(
        f"{TARGET}: p = {two_digits(row['p_lmeval'])}, times {tried} "
        f"configurations: {two_digits(corrected)}",
        HOLDS if corrected < LEVEL else UNDECIDED,
        f"All {total['n']} problems: {points(total['difference'])}, z = {total['z_lmeval']:.2f}; "
        f"without {TARGET}: {points(others['difference'])}, "
        f"z = {others['z_lmeval']:.2f}.",
    )


@check(tables="Table 1", says="Every accuracy is a number of problems over their number")
def percentages_of_table_1(record: Record) -> Outcome:
    """GRIM on Table 1."""
    return _grim(record, "Table 1")


@check(tables="Table 4", says="Every accuracy is a number of problems over their number")
def percentages_of_table_4(record: Record) -> Outcome:
    """GRIM on the NT accuracies of Table 4."""
    return _grim(record, "Table 4")


def _grim(record: Record, table: str) -> Outcome:
    cells = record.grim[record.grim["table"] == table]
    if cells.empty:
        raise EmptyCell(f"the accuracies of {table} are not in the surviving text")
    wrong = cells[~cells["possible"]]
    shown = "; ".join(
        f"{row.row}, {row.subject}: {row.percent} % of {row.n} (next: {row.below} and {row.above})"
        for row in wrong.itertuples()
    )
    return Outcome(
        f"{len(cells) - len(wrong)} of {len(cells)} are possible"
        + (f"; not {shown}" if shown else ""),
        IMPOSSIBLE if len(wrong) else HOLDS,
    )


@check(cites=("C16", "C35", "C44"), tables="Table 1")
def size_of_the_benchmark(record: Record) -> Outcome:
    """Is the benchmark as large as sec. 4 says in one sentence, and not in the next?"""
    claimed, subjects = record.claim("C16").numbers
    sizes, algebra = record.sizes, record.claim("C37")
    fits = int(record.grim.query("table == 'Table 1'")["possible"].sum())
    cells = record.grim.query("table == 'Table 1'")
    chance = sum(printable_share(int(n)) for n in cells["n"])
    full = record.claim("C64")
    alone = ", ".join(str(name) for name in sizes.index[sizes == claimed]) or "no subject"
    consistent = sizes.sum() == claimed and len(sizes) == subjects
    return Outcome(
        f"{sizes.sum()} problems in {len(sizes)} subjects; {claimed} is {alone} alone",
        HOLDS if consistent and int(algebra.value) < claimed else CONTRADICTED,
        f"{algebra.place} counts {algebra.value} in algebra alone [{algebra.name}], "
        f"{full.place} names the full test sets [{full.name}]. With these, {fits} of "
        f"{len(cells)} percentages of Table 1 are possible; {chance:.0f} would be if the sizes "
        "had nothing to do with them.",
    )


@check(cites=("C20",), tables="subject sizes")
def power(record: Record) -> Outcome:
    """Does the paper's test find the effect that it is said to find, on every subject?"""
    table, claimed = record.power, float(record.claim("C20").value)
    if table.empty:
        raise EmptyCell("no accuracy of the base model survives")
    values, detectable = table["power_at_gain"], 100 * table["detectable"]
    return Outcome(
        f"Power at {claimed:g} points is {values.min():.2f} ({values.idxmin()}) to "
        f"{values.max():.2f} ({values.idxmax()}); with power {POWER} it finds "
        f"{detectable.min():.1f} to {detectable.max():.1f} points",
        HOLDS if (values >= POWER).all() else CONTRADICTED,
        f"{table['problems_needed'].min()} to {table['problems_needed'].max()} problems a subject "
        f"would be needed; there are {table['n'].min()} to {table['n'].max()}.",
    )


@check(cites=("C07", "C52"), tables="Table 1")
def ours_against_projection(record: Record) -> Outcome:
    """Significant here and not there is no test of the difference; this is."""
    row = record.compared(OUR_METHOD, PROJECTION_METHOD, TARGET)
    null = record.compared(PROJECTION_METHOD, BASE_METHOD, TARGET)
    ours = record.compared(OUR_METHOD, BASE_METHOD, TARGET)
    table = record.compared_subjects(OUR_METHOD, PROJECTION_METHOD)
    total = record.compared(OUR_METHOD, PROJECTION_METHOD)
    holm = list(table.index[(table["p_holm"] < LEVEL) & (table["difference"] > 0)])
    return Outcome(
        f"Compared directly on {TARGET}: {points(row['difference'])}, z = {row['z_lmeval']:.2f}, "
        f"p = {two_digits(row['p_lmeval'])}; after Holm over the subjects: "
        f"{', '.join(holm) or 'none'}",
        HOLDS if row["p_holm"] < LEVEL and row["difference"] > 0 else UNDECIDED,
        f"Projection against base on {TARGET}: {points(null['difference'])}, 95 % interval "
        f"{signed(null['ci_low'])} to {signed(null['ci_high'])}, beside "
        f"a gain of ours of {signed(ours['difference'])}. All {total['n']} problems together: "
        f"{points(total['difference'])}, z = {total['z_lmeval']:.2f}.",
    )


@check(cites=("C07",), tables="Table 1")
def null_of_projection_when_paired(record: Record) -> Outcome:
    """The same problems were answered: would a paired test also find nothing?"""
    row = record.compared(PROJECTION_METHOD, BASE_METHOD, TARGET)
    k0, k1, n = (int(row[name]) for name in ("correct_reference", "correct_method", "n"))
    low, high = sorted((k0, k1))
    most = min(low, n - high)  # problems that only the lower of the two can have solved
    # With c of them, the other alone solved c + high - low: 2 bdtr is McNemar's exact p.
    few = sum(2 * bdtr(c, 2 * c + high - low, 0.5) < LEVEL for c in range(most + 1))
    lower = "base" if k0 <= k1 else "projection"
    return Outcome(
        f"{TARGET}, {k1 - k0:+d} problems: if fewer than {few} of {n} were solved by {lower} "
        f"alone, exact McNemar gives p < {LEVEL}",
        HOLDS if few == 0 else CONTRADICTED if few > most else UNDECIDED,
        f"Anything from 0 to {most} is possible; which problems were solved was not published.",
    )


@check(cites=("C53",), tables="Table 1")
def losses_of_the_full_merge(record: Record) -> Outcome:
    """Is a loss of the full merge significant by the paper's own test?"""
    table = record.compared_subjects(FULL_METHOD, BASE_METHOD)
    names = [name.strip() for name in record.claim("C53").value.split(",")]
    if missing := [name for name in names if name not in table.index]:
        raise EmptyCell(f"an accuracy of the full merge on {missing[0]} is missing")
    named = table.loc[names]
    if (named["difference"] >= 0).any():
        verdict = CONTRADICTED
    else:
        verdict = HOLDS if (named["p_lmeval"] < LEVEL).any() else UNDECIDED
    return Outcome(
        "; ".join(
            f"{name} {points(row['difference'])}, p = {two_digits(row['p_lmeval'])}"
            for name, row in named.iterrows()
        ),
        verdict,
        f"Lower than base on {(table['difference'] < 0).sum()} of {len(table)} subjects, "
        f"significantly on {(table['p_lmeval'][table['difference'] < 0] < LEVEL).sum()}.",
    )


@check(cites=("C63",), tables="Table 1")
def ours_against_the_full_merge(record: Record) -> Outcome:
    """Ours against the full merge on the target, tested directly."""
    row = record.compared(OUR_METHOD, FULL_METHOD, TARGET)
    total = record.compared(OUR_METHOD, FULL_METHOD)
    significant_gain = row["p_holm"] < LEVEL and row["difference"] > 0
    return Outcome(
        f"{TARGET}: {points(row['difference'])}, z = {row['z_lmeval']:.2f}, "
        f"p = {two_digits(row['p_lmeval'])}, Holm {two_digits(row['p_holm'])}",
        HOLDS if significant_gain else UNDECIDED,
        f"All {total['n']} problems: {points(total['difference'])}, z = {total['z_lmeval']:.2f}.",
    )


@check(cites=("C50", "C19"), tables="Table 1")
def scale_of_the_full_merge(record: Record) -> Outcome:
    """A grid that holds small alphas cannot end far below base; which grid was it?"""
    table = record.compared_subjects(FULL_METHOD, BASE_METHOD)
    ours = record.configuration(OURS)
    product = ours["n_layers"] * record.cell("Table 2", ours, "alpha")
    return Outcome(
        f"No grid and no α of a baseline is printed; the full merge stays below base on "
        f"{(table['difference'] < 0).sum()} of {len(table)} subjects",
        UNDECIDED,
        f"The paper's own budget rule, {product:.1f} layers × α, gives "
        f"α = {product / record.total_layers:.2f} for {record.total_layers} layers: the full merge "
        "at that scale is the control that layer selection has to beat.",
    )


@check(cites=("C32",), tables="Table 1, Table 3")
def no_projected_variant_is_significant(record: Record) -> Outcome:
    """#Sig of every projected row, and the projection's NT z recomputed."""
    rows = record.table3[record.table3["method"].str.contains("Proj")].dropna(subset=["sig"])
    row = record.compared(PROJECTION_METHOD, BASE_METHOD, TARGET)
    nothing = (rows["sig"].map(significant) == 0).all() and row["p_lmeval"] >= LEVEL
    return Outcome(
        f"Table 3: {', '.join(rows['sig'])}; Table 1 on {TARGET}: "
        f"p = {two_digits(row['p_lmeval'])}",
        HOLDS if nothing else CONTRADICTED,
        f"The gain is {points(row['difference'])}; the paper's test would find a gain of that "
        f"size on {TARGET} with power {_power_at(record, row['difference']):.2f}.",
    )


def _accuracies(record: Record) -> pd.DataFrame:
    """Table 1 by method and subject; EmptyCell where base or ours has no target accuracy."""
    table = record.table1.set_index("method")
    table = table.rename(columns=lambda name: name.removesuffix("_acc_pct"))
    for method in (BASE_METHOD, OUR_METHOD):
        record.cell("Table 1", table.loc[method], TARGET)
    return table


def _power_at(record: Record, gain: float) -> float:
    row = record.compared(PROJECTION_METHOD, BASE_METHOD, TARGET)
    return unpaired_power(row["correct_reference"] / row["n"], gain, int(row["n"]))
