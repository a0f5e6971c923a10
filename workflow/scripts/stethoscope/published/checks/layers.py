"""Checks of layers, their scores and statements on them (paper, sec. 3 and 5.3, Tables 2, 3, 6)."""

from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom, linregress, spearmanr

from stethoscope.published.checks.check import UNDECIDED, holds
from stethoscope.published.recompute import TARGET
from stethoscope.published.record import DILUTED, MAIN, NO_DEEP, EmptyCell, Record, significant

NEAR = 0.1  # SP within this of the threshold counts as close to it


def thresholds_give_the_counts(record: Record):
    """The sets that Table 6 gives at each threshold have the sizes that Table 2 prints."""
    table = record.table2.assign(layers=record.table2["config"].map(record.layers_of))
    table = table.dropna(subset=["layers"]).assign(counted=lambda rows: rows["layers"].map(len))
    wrong = [
        f"{row.config}: {row.counted}, printed {row.n_layers}"
        for row in table[table["counted"] != table["n_layers"]].itertuples()
    ]
    for name, configuration in {"C10": MAIN, "C25": DILUTED, "C30": NO_DEEP}.items():
        claimed, counted = record.numbers(name)[0], len(record.layers_of(configuration))
        if claimed != counted:
            wrong.append(f"{configuration}: {counted}, said {claimed} [{name}]")
    return holds(not wrong), dict(table=table, wrong=wrong)


def names_give_the_counts(record: Record):
    """The number in a name such as "SP4 14L" is that of #Layers and of the range in the prose."""
    named = record.table2["config"].str.extract(r" (\d+)L$")[0].astype("Float64")
    table = record.table2.assign(named=named).dropna(subset=["named", "n_layers"])
    slab = record.claimed_layers("C28")
    wrong = table[table["named"] != table["n_layers"]]
    middle = table["config"].str.startswith("MID") & (table["named"] != len(slab))
    values = dict(table=table, wrong=wrong, slab=slab, slab_agrees=not middle.any())
    return holds(wrong.empty and not middle.any()), values


def every_raw_variant_is_significant(record: Record):
    """A raw variant without any significant subject is not significant on NT either."""
    without = record.raw_variants.query("n_sig == 0")
    return holds(without.empty), dict(without=without, mixed=record.claim("C42"))


def deep_layers_are_critical(record: Record):
    """noDeep lacks layers that are called critical, and has fewer significant subjects."""
    named = record.claimed_layers("C26") & record.claimed_layers("C29")
    ours, without = (record.n_sig("table2", config=name) for name in (MAIN, NO_DEEP))
    note = record.cell("table2", "note", config=NO_DEEP)
    rank = record.cell("table5", "rank", configuration=NO_DEEP)
    values = dict(named=named, ours=ours, without=without, note=note, rank=rank)
    return holds(not named or without < ours), values


def higher_sp_is_better(record: Record):
    """Of two sets of equal size, the one of higher SP has no fewer significant subjects."""
    sets = record.raw_variants.dropna(subset=["layers"])
    sets = sets.assign(mean=[record.sp[sorted(layers)].mean() for layers in sets["layers"]])
    pairs = [
        (high, low)
        for _, high in sets.iterrows()
        for _, low in sets.iterrows()
        if len(high["layers"]) == len(low["layers"]) and high["mean"] > low["mean"]
    ]
    if not pairs:
        raise EmptyCell("Table 2 has no two sets of equal size with layers in Table 6")
    wrong = [(high, low) for high, low in pairs if high["n_sig"] < low["n_sig"]]
    high, low = (wrong or pairs)[0]
    return holds(not wrong), dict(high=dict(high), low=dict(low), top=int(record.sp.idxmax()))


def threshold_separates(record: Record):
    """Sets that add layers below the threshold have fewer significant subjects."""
    ours, n_layers = (record.cell("table2", name, config=MAIN) for name in ("sig", "n_layers"))
    wider = record.raw_variants[record.raw_variants["n_layers"] > n_layers]
    if wider.empty:
        raise EmptyCell("Table 2 has no set that adds layers to the main one")
    absent = wider.loc[~wider["config"].isin(record.table5["configuration"]), "config"]
    worse = (wider["n_sig"] < significant(ours)).all()
    values = dict(wider=wider, ours=significant(ours), absent=absent.tolist())
    return holds(worse, UNDECIDED), values


def conserved_budget(record: Record):
    """A product is conserved only if it varies less than its factors; alpha then falls with |S|."""
    table = record.table2.dropna(subset=["n_layers", "alpha"]).astype({"alpha": float})
    if len(table) < 3:
        raise EmptyCell("alpha or #Layers of Table 2 is not in the surviving text")
    table = table.assign(product=table["n_layers"] * table["alpha"])
    spread, factor = (table[name].max() / table[name].min() for name in ("product", "n_layers"))
    slope = linregress(np.log(table["n_layers"]), np.log(table["alpha"])).slope
    swept = record.cell("table2", "n_layers", config=MAIN) * record.swept["alpha"]
    values = dict(table=table, spread=spread, factor=factor, slope=slope, swept=swept)
    return holds(spread < factor and slope < 0), values


def threshold_from_validation(record: Record):
    """No number of a validation split is printed; layers close to the threshold are listed."""
    sp, threshold = record.sp, record.threshold
    close = set(sp.index[(sp - threshold).abs() < NEAR])
    critical = close & record.claimed_layers("C29")
    below, above = sp[sp < threshold].max(), sp[sp >= threshold].min()
    return UNDECIDED, dict(below=below, above=above, close=close, critical=critical)


def layers_without_a_score(record: Record):
    """Layers of the model that Table 6 does not list."""
    missing = set(range(record.total_layers)) - set(record.table6["layer"])
    lowest = record.table6.loc[record.table6["sp"].idxmin()]
    return holds(not missing, UNDECIDED), dict(missing=missing, lowest=lowest)


def sp_beyond_depth(record: Record):
    """SP rises with depth; the selection is compared with the closest band of layers."""
    rho, p = spearmanr(record.sp.index, record.sp)
    n, k = record.total_layers, len(record.selected)
    bands = [set(range(start, start + k)) for start in range(n - k + 1)]
    band = max(bands, key=lambda layers: (len(layers & record.selected), -min(layers)))
    shared = len(band & record.selected)
    # P(at least so many in this band) for k random layers; the band was picked after the fact.
    chance = hypergeom.sf(shared - 1, n, k, k)
    values = dict(rho=rho, p=p, k=k, band=band, shared=shared, chance=chance)
    return UNDECIDED, values | dict(expected=k * k / n)


def seven_highest_layers(record: Record):
    """E3's layers are named nowhere; Table 6 gives candidates."""
    return UNDECIDED, dict(top=set(record.sp.nlargest(int(record.claim("C21").value)).index))


def two_vectors_together(record: Record):
    """#Sig of NT + CP in the appendix against DUAL in Table 5."""
    claimed = record.numbers("C43")[0]
    dual = record.table5[record.table5["configuration"].str.startswith("DUAL")]
    dual = dual.dropna(subset=["sig"])
    if dual.empty:
        raise EmptyCell("Table 5 has no DUAL row")
    printed = [significant(sig) for sig in dual["sig"]]
    return holds(claimed in printed, UNDECIDED), dict(claimed=claimed, printed=printed, dual=dual)


def determinism(record: Record):
    """Two equal accuracies show equal counts of right answers, and no more."""
    return UNDECIDED, dict(n=int(record.sizes[TARGET]))


def energy_kept(record: Record):
    """The energies of Table 3 against the abstract's."""
    energy, method = record.table3["energy_retained_pct"], record.table3["method"]
    if lost := energy.isna().sum():
        raise EmptyCell(
            f"{lost} of {len(energy)} energies of Table 3 are not in the surviving text"
        )
    discarded = 100 - energy[method.str.contains("Proj")].astype(float)
    near = (discarded - record.numbers("C06")[0]).abs().min() <= 1
    return holds(near), dict(discarded=discarded.tolist())
