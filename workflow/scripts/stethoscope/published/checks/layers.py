"""Checks of layers, their scores and statements on them (paper, sec. 3 and 5.3, Tables 2, 3, 6)."""

from __future__ import annotations

from math import log

import pandas as pd
from scipy.stats import hypergeom, spearmanr

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
    DILUTED,
    NO_DEEP,
    OURS,
    EmptyCell,
    Record,
    layer_set,
    significant,
    spans,
)
from stethoscope.published.retest import TARGET

NEAR = 0.1  # SP within this of the threshold counts as close to it

CHECKS: list[Check] = []
check = registry(CHECKS)


@check(cites=("C10", "C25", "C30"), tables="Table 2, Table 6")
def thresholds_give_the_counts(record: Record) -> Outcome:
    """The sets that Table 6 gives at each threshold have the sizes that Table 2 prints."""
    sizes, wrong = [], []
    for row in record.table2.itertuples():
        layers = record.layers_of(row.config)
        if layers is None or row.config.startswith("MID"):
            continue
        sizes.append(f"{row.config} {len(layers)}")
        if len(layers) != row.n_layers:
            wrong.append(f"{row.config}: {len(layers)}, printed {row.n_layers}")
    for name, configuration in {"C10": OURS, "C25": DILUTED, "C30": NO_DEEP}.items():
        said, found = record.claim(name).numbers[0], len(record.layers_of(configuration))
        if said != found:
            wrong.append(f"{configuration}: {found}, said {said} [{name}]")
    return Outcome(
        "; ".join(wrong) or "From Table 6: " + ", ".join(sizes),
        CONTRADICTED if wrong else HOLDS,
        f"SP ≥ {record.threshold:g} selects {spans(record.selected)}.",
    )


@check(cites=("C28",), tables="Table 2", says="Names give the number of layers")
def names_give_the_counts(record: Record) -> Outcome:
    """ "14L" in a name against #Layers beside it, and against the range in the prose."""
    table = record.table2.assign(
        named=record.table2["config"].str.extract(r" (\d+)L$")[0].astype("Float64")
    ).dropna(subset=["named", "n_layers"])
    wrong = table[table["named"] != table["n_layers"]]
    slab = layer_set(record.claim("C28").value)
    shown = [f"“{row.config}” has #Layers {row.n_layers}" for row in wrong.itertuples()]
    middle = table[table["config"].str.startswith("MID") & (table["named"] != len(slab))]
    if len(middle):
        shown.append(f"layers {spans(slab)} are {len(slab)}")
    return Outcome(
        "; ".join(shown) or f"{len(table)} names agree",
        CONTRADICTED if shown else HOLDS,
    )


@check(cites=("C31",), tables="Table 2")
def every_raw_variant_is_significant(record: Record) -> Outcome:
    """A raw variant without any significant subject is not significant on NT either."""
    rows = [
        f"{row.config} {row.sig} (Table 2)"
        for row in record.table2.dropna(subset=["sig"]).itertuples()
        if row.config.startswith("SP") and significant(row.sig) == 0
    ]
    mixed = record.claim("C42")
    return Outcome(
        "Without one significant subject: " + ", ".join(rows) if rows else "None is without gains",
        CONTRADICTED if rows else HOLDS,
        f"Task vector v3, whose layers are not stated, has {mixed.value} too ({mixed.place}) "
        f"[{mixed.name}].",
    )


@check(cites=("C29", "C26"), tables="Table 2")
def deep_layers_are_critical(record: Record) -> Outcome:
    """noDeep leaves out layers that are called critical; does it do worse?"""
    critical = layer_set(record.claim("C29").value)
    ours, without = (record.n_sig("table2", config=name) for name in (OURS, NO_DEEP))
    named = record.deep & critical
    contradicted = bool(named) and without >= ours
    return Outcome(
        f"{NO_DEEP} drops {spans(named)} of them and has {without} significant subjects, "
        f"{OURS} has {ours}",
        CONTRADICTED if contradicted else HOLDS,
        f"Table 2 calls {NO_DEEP} “{record.configuration(NO_DEEP)['note']}”; Table 5 ranks it "
        f"{record.only('table5', configuration=NO_DEEP)['rank']}.",
    )


@check(cites=("C12", "C65"), tables="Table 2, Table 6")
def higher_sp_is_better(record: Record) -> Outcome:
    """Two sets of equal size: has the one of higher SP more significant subjects?"""
    sets = {
        row.config: (record.layers_of(row.config), significant(row.sig), row.alpha)
        for row in record.table2.dropna(subset=["sig"]).itertuples()
        if row.config.startswith("SP") and record.layers_of(row.config)
    }
    pairs = [
        (high, low)
        for high, (a, _, _) in sets.items()
        for low, (b, _, _) in sets.items()
        if len(a) == len(b) and record.sp(a).mean() > record.sp(b).mean()
    ]
    if not pairs:
        raise EmptyCell("Table 2 has no two sets of equal size with layers in Table 6")
    (high, low), wrong = pairs[0], [p for p in pairs if sets[p[0]][1] < sets[p[1]][1]]
    if wrong:
        high, low = wrong[0]
    (a, sig_a, alpha_a), (b, sig_b, alpha_b) = sets[high], sets[low]
    top = int(record.table6.set_index("layer")["sp"].idxmax())
    return Outcome(
        f"{high} (mean SP {record.sp(a).mean():.2f}) has #Sig {sig_a}, "
        f"{low} (mean SP {record.sp(b).mean():.2f}) {sig_b}, both of {len(a)} layers",
        CONTRADICTED if wrong else HOLDS,
        f"They share {len(a & b)} layers. {high} has {record.with_sp(a - b)} where {low} has "
        f"{record.with_sp(b - a)}; the highest SP of all is layer {top}, "
        f"{'only in ' + high if top in a - b else 'not what tells them apart'}. "
        f"α is {alpha_a:.2f} and {alpha_b:.2f}.",
    )


@check(cites=("C56",), tables="Table 2 (“Signal diluted”, “Low-SP noise”)")
def threshold_separates(record: Record) -> Outcome:
    """Do sets that add layers below the threshold have fewer significant subjects?"""
    ours, n_ours = record.n_sig("table2", config=OURS), record.configuration(OURS)["n_layers"]
    wider = [
        row
        for row in record.table2.dropna(subset=["sig"]).itertuples()
        if row.config.startswith("SP") and row.n_layers > n_ours
    ]
    if not wider:
        raise EmptyCell("Table 2 has no set that adds layers to the main one")
    worse = all(significant(row.sig) < ours for row in wider)
    ranked = set(record.table5["configuration"])
    absent = [row.config for row in wider if row.config not in ranked]
    return Outcome(
        "#Sig: "
        + ", ".join(f"{row.config} {significant(row.sig)}" for row in wider)
        + f"; {OURS} {ours}",
        HOLDS if worse else UNDECIDED,
        "By #Sig, layers below the threshold do no harm; the NT values of Table 2 did not survive. "
        f"Not among the ten of Table 5: {', '.join(absent) or 'none of them'}.",
    )


@check(cites=("C57", "C58"), tables="Table 2")
def conserved_budget(record: Record) -> Outcome:
    """A product is conserved only if it varies less than its factors; alpha then falls with |S|."""
    table = record.table2.dropna(subset=["n_layers", "alpha"])
    if len(table) < 3:
        raise EmptyCell("alpha or #Layers of Table 2 is not in the surviving text")
    products = table["n_layers"] * table["alpha"]
    spread, factor = (
        products.max() / products.min(),
        table["n_layers"].max() / table["n_layers"].min(),
    )
    slope = _slope(table["n_layers"], table["alpha"])
    near = record.configuration(OURS)["n_layers"] * record.swept["alpha"]
    return Outcome(
        f"|S| × α = {', '.join(f'{product:.1f}' for product in products)}: highest over lowest is "
        f"{spread:.2f}, of |S| alone {factor:.2f}",
        HOLDS if spread < factor and slope < 0 else CONTRADICTED,
        f"Slope of log α on log |S|: {slope:+.2f} (a conserved product has −1). The sweep of "
        f"{OURS} alone, flat within noise, spans products of {near.min():.1f} to {near.max():.1f}.",
    )


@check(cites=("C59", "C29"), tables="Table 6")
def threshold_from_validation(record: Record) -> Outcome:
    """No number of a validation split is printed; how much hangs on the threshold?"""
    sp = record.table6.set_index("layer")["sp"].dropna()
    inside, outside = sp[sp >= record.threshold].min(), sp[sp < record.threshold].max()
    close = set(sp.index[(sp - record.threshold).abs() < NEAR])
    critical = close & layer_set(record.claim("C29").value)
    return Outcome(
        "No split and no number from one is printed; every table is on the test problems",
        UNDECIDED,
        f"Any threshold above {outside} and up to {inside} selects the same layers. Within {NEAR} "
        f"of {record.threshold:g}: {record.with_sp(close)}; called critical: {spans(critical)}.",
    )


@check(cites=("C10", "C19"), tables="Table 6")
def layers_without_a_score(record: Record) -> Outcome:
    """Layers of the model that Table 6 does not list."""
    missing = set(range(record.total_layers)) - set(record.table6["layer"])
    lowest = record.table6.loc[record.table6["sp"].idxmin()]
    return Outcome(
        f"{len(missing)} of {record.total_layers} layers are not listed: {spans(missing)}",
        UNDECIDED if missing else HOLDS,
        f"Lowest SP listed is {lowest['sp']} (layer {lowest['layer']:.0f}, "
        f"{lowest['n_features']:.0f} features): the specificity from which a feature counts, which "
        "is not printed, is no higher.",
    )


@check(cites=("C29",), tables="Table 6")
def sp_beyond_depth(record: Record) -> Outcome:
    """SP rises with depth: how far does the selection differ from a band of layers?"""
    table = record.table6.dropna(subset=["sp"])
    rho, p = spearmanr(table["layer"], table["sp"])
    n, k = record.total_layers, len(record.selected)
    bands = [set(range(start, start + k)) for start in range(n - k + 1)]
    band = max(bands, key=lambda layers: (len(layers & record.selected), -min(layers)))
    shared = len(band & record.selected)
    # P(at least so many in this band) for k random layers; the band was picked after the fact.
    chance = float(hypergeom.sf(shared - 1, n, k, k))
    return Outcome(
        f"SP rises with depth: Spearman {rho:+.2f}, p = {two_digits(p)}, {len(table)} layers. "
        f"{shared} of the {k} selected layers lie in one band, {spans(band)}",
        UNDECIDED,
        f"Random layers would have {k * k / n:.1f} there (p = {two_digits(chance)}, for a band "
        "named beforehand). No layers chosen by depth or at random were evaluated beside MID.",
    )


@check(cites=("C21",), tables="Table 3, Table 6")
def seven_highest_layers(record: Record) -> Outcome:
    """E3's layers are named nowhere; Table 6 gives candidates."""
    count = int(record.claim("C21").value)
    top = record.table6.dropna(subset=["sp"]).nlargest(count, "sp")["layer"].astype(int)
    outside = set(top) - record.selected
    return Outcome(
        f"E3 is not listed; the {count} highest of Table 6 are {spans(top)}",
        UNDECIDED,
        f"Below the threshold of the main set: {spans(outside)}.",
    )


@check(cites=("C43",), tables="Table 5")
def two_vectors_together(record: Record) -> Outcome:
    """#Sig of NT + CP in the appendix against DUAL in Table 5."""
    said = record.claim("C43").numbers[0]
    rows = record.table5[record.table5["configuration"].str.startswith("DUAL")].dropna(
        subset=["sig"]
    )
    if rows.empty:
        raise EmptyCell("Table 5 has no DUAL row")
    printed = [significant(sig) for sig in rows["sig"]]
    return Outcome(
        f"#Sig is {said} in the appendix, {', '.join(map(str, printed))} in Table 5 "
        f"({', '.join(rows['configuration'])})",
        HOLDS if said in printed else UNDECIDED,
        "Layers and scale of the appendix's combination did not survive; it may be another one.",
    )


@check(cites=("C33", "C34", "C62"))
def determinism(record: Record) -> Outcome:
    """What two equal runs show, and what they do not."""
    n = int(record.sizes[TARGET])
    return Outcome(
        f"Two equal accuracies say that the number of right answers was equal ({1 / n:.4f} is one "
        f"problem of {n})",
        UNDECIDED,
        "No answers were published. Equal runs remove noise between runs; how far a p speaks of "
        "other problems, vectors or models is another question.",
    )


@check(cites=("C06", "C08"), tables="Table 3")
def energy_kept(record: Record) -> Outcome:
    """The energies of Table 3 against the abstract's."""
    column = record.table3["energy_retained_pct"]
    known = column.notna().sum()
    projected = record.table3["method"].str.contains("Proj")
    if known < len(column):
        raise EmptyCell(
            f"{len(column) - known} of {len(column)} energies of Table 3 are not in the "
            "surviving text"
        )
    discarded = record.claim("C06").numbers[0]
    worst = (100 - column[projected].astype(float) - discarded).abs().min()
    return Outcome(
        f"Discarded: {', '.join(f'{100 - float(x):g} %' for x in column[projected])}",
        HOLDS if worst <= 1 else CONTRADICTED,
    )


def _slope(x: pd.Series, y: pd.Series) -> float:
    """Least-squares slope of log y on log x."""
    a, b = x.map(log), y.map(log)
    return float(((a - a.mean()) * (b - b.mean())).sum() / ((a - a.mean()) ** 2).sum())
