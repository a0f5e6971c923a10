"""Checks of Table 1 and of the tests made on it (paper, sec. 4 and 5.1)."""

from __future__ import annotations

import pandas as pd
from scipy.special import bdtr

from stethoscope.published import recompute
from stethoscope.published.checks.check import CONTRADICTED, IMPOSSIBLE, UNDECIDED, holds
from stethoscope.published.recompute import BASE, FULL, LEVEL, OTHERS, OURS, PROJECTION, TARGET
from stethoscope.published.record import MAIN, EmptyCell, Record, significant


def headline_statistic(record: Record):
    """Some test of the headline accuracies prints the headline z and p."""
    formulas = record.recomputed["formulas"]
    if formulas.empty:
        raise EmptyCell("an accuracy of the headline is not in the surviving text")
    both = formulas[formulas["both_print"] == "yes"]
    pooled = formulas[formulas["formula"].str.startswith("pooled")].iloc[0]
    return holds(len(both) > 0), dict(formulas=formulas, both=both, pooled=pooled)


def headline_accuracies(record: Record):
    """The accuracies of the abstract are those of Tables 1 and 4."""
    alpha, *claimed = (float(record.claim(name).value) for name in ("C39", "C01", "C02"))
    printed = [record.cell("table1", "NT_acc_pct", method=method) for method in (BASE, OURS)]
    again = record.cell("table4", "NT_acc_pct", alpha=alpha)
    same = claimed == printed and again == claimed[1]
    return holds(same), dict(alpha=alpha, printed=printed, again=again)


def number_of_significant_subjects(record: Record):
    """Either recomputed z gives #Sig of Table 1, without a loss."""
    published = record.table1.set_index("method")["n_sig_of_7"].dropna().astype(int)
    if published.empty:
        raise EmptyCell("#Sig of Table 1 is not in the surviving text")
    table = record.recomputed["significant"].query("reference == @BASE").set_index("method")
    table = table.loc[published.index].assign(published=published)
    claims = {OURS: "C05", PROJECTION: "C07"}
    same = all((table[f"gains_{z}"] == published).all() for z in ("pooled", "lmeval")) and all(
        record.numbers(name)[0] == published[method] for method, name in claims.items()
    )
    values = dict(table=table.reset_index(), ours=table.loc[OURS], same=same)
    return holds(same and table.loc[OURS, "losses_lmeval"] == 0), values


def gain_after_all_configurations(record: Record):
    """The headline p survives Bonferroni over the configurations that were tried on the test."""
    tried, p = record.numbers("C23")[0], record.compared(OURS, BASE, TARGET)["p_lmeval"]
    corrected = min(1.0, tried * p)
    total, others = record.compared(OURS, BASE), record.compared(OURS, BASE, OTHERS)
    values = dict(tried=tried, p=p, corrected=corrected, total=total, others=others)
    return holds(corrected < LEVEL, UNDECIDED), values


def percentages_of_table_1(record: Record):
    """GRIM on Table 1."""
    return _grim(record, "Table 1")


def percentages_of_table_4(record: Record):
    """GRIM on the NT accuracies of Table 4."""
    return _grim(record, "Table 4")


def _grim(record: Record, table: str):
    cells = record.recomputed["grim"].query("table == @table")
    if cells.empty:
        raise EmptyCell(f"the accuracies of {table} are not in the surviving text")
    wrong, possible = cells[~cells["possible"]], cells["possible"].sum()
    return holds(wrong.empty, IMPOSSIBLE), dict(cells=cells, wrong=wrong, possible=possible)


def size_of_the_benchmark(record: Record):
    """The two sizes of the benchmark in sec. 4 agree."""
    claimed, subjects = record.numbers("C16")
    sizes, algebra, full = record.sizes, record.claim("C37"), record.claim("C64")
    cells = record.recomputed["grim"].query("table == 'Table 1'")
    alone = ", ".join(sizes.index[sizes == claimed])
    chance = cells["n"].map(recompute.printable_share).sum()
    consistent = sizes.sum() == claimed > int(algebra.value) and len(sizes) == subjects
    values = dict(claimed=claimed, total=sizes.sum(), subjects=len(sizes), alone=alone)
    return holds(consistent), values | dict(algebra=algebra, full=full, cells=cells, chance=chance)


def power(record: Record):
    """The paper's test detects the claimed effect on every subject."""
    table = record.recomputed["power"].dropna(subset=["power_at_gain"])
    if table.empty:
        raise EmptyCell("no accuracy of the base model survives")
    power = table.set_index("subject")["power_at_gain"]
    return holds(power.min() >= recompute.POWER), dict(table=table, power=power)


def ours_against_projection(record: Record):
    """Ours against the projection, tested directly."""
    row, total = record.compared(OURS, PROJECTION, TARGET), record.compared(OURS, PROJECTION)
    null, ours = (record.compared(method, BASE, TARGET) for method in (PROJECTION, OURS))
    table = record.subjects_of(OURS, PROJECTION)
    holm = table.index[(table["p_holm"] < LEVEL) & (table["difference"] > 0)].tolist()
    values = dict(row=row, total=total, null=null, ours=ours, holm=holm)
    return holds(TARGET in holm, UNDECIDED), values


def null_of_projection_when_paired(record: Record):
    """A paired test of the projection, for every possible overlap of solved problems."""
    row = record.compared(PROJECTION, BASE, TARGET)
    k0, k1, n = (int(row[name]) for name in ("correct_reference", "correct_method", "n"))
    low, high = sorted((k0, k1))
    most = min(low, n - high)  # problems that only the lower of the two can have solved
    # With c of them, the other alone solved c + high - low: 2 bdtr is McNemar's exact p.
    few = sum(2 * bdtr(c, 2 * c + high - low, 0.5) < LEVEL for c in range(most + 1))
    verdict = holds(few == 0, CONTRADICTED if few > most else UNDECIDED)
    return verdict, dict(few=few, most=most, n=n, gained=k1 - k0)


def losses_of_the_full_merge(record: Record):
    """A claimed loss of the full merge is significant by the paper's own test."""
    names = [name.strip() for name in record.claim("C53").value.split(",")]
    named = pd.DataFrame([record.compared(FULL, BASE, name) for name in names])
    table = record.subjects_of(FULL, BASE)
    lower = table[table["difference"] < 0]
    verdict = holds((named["p_lmeval"] < LEVEL).any(), UNDECIDED)
    verdict = verdict if (named["difference"] < 0).all() else CONTRADICTED
    return verdict, dict(named=named, table=table, lower=lower)


def ours_against_the_full_merge(record: Record):
    """Ours against the full merge on the target, tested directly."""
    row, total = record.compared(OURS, FULL, TARGET), record.compared(OURS, FULL)
    gain = row["p_holm"] < LEVEL and row["difference"] > 0
    return holds(gain, UNDECIDED), dict(row=row, total=total)


def scale_of_the_full_merge(record: Record):
    """The alpha grid of the full merge is not printed; one with small alphas stays near base."""
    n_layers, alpha = (record.cell("table2", name, config=MAIN) for name in ("n_layers", "alpha"))
    values = dict(table=record.subjects_of(FULL, BASE), budget=n_layers * alpha)
    return UNDECIDED, values | dict(layers=record.total_layers)


def no_projected_variant_is_significant(record: Record):
    """#Sig of every projected row, and the projection's NT z recomputed."""
    rows = record.table3[record.table3["method"].str.contains("Proj")].dropna(subset=["sig"])
    row = record.compared(PROJECTION, BASE, TARGET)
    base, n = row["correct_reference"] / row["n"], int(row["n"])
    power = recompute.unpaired_power(base, row["difference"], n)
    nothing = (rows["sig"].map(significant) == 0).all() and row["p_lmeval"] >= LEVEL
    return holds(nothing), dict(rows=rows, row=row, power=power)
