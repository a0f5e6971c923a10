"""Promises of the checks of the published record: what they find, and that they can fail."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_inputs import published_checks, published_record
from scipy import stats

from stethoscope.published.audit import each, published_tables, run_check, signed, two_digits
from stethoscope.published.checks.check import (
    CONTRADICTED,
    HOLDS,
    IMPOSSIBLE,
    UNDECIDED,
    VERDICTS,
)
from stethoscope.published.record import layer_set, significant, spans

CHECKS = published_checks()
COLUMNS = {"table1": "method", "table2": "config", "text_claims": "claim_id", "table6": "layer"}


@pytest.fixture(scope="module")
def record():
    return published_record()


@pytest.fixture(scope="module")
def checks(record):
    return published_tables(record, CHECKS)["checks"].set_index("check")


def altered(record, table, row, column, value):
    """The record with one cell changed; row: {column: value} or the value of its first column."""
    frame = getattr(record, table).copy()
    wanted = row if isinstance(row, dict) else {COLUMNS[table]: row}
    chosen = np.logical_and.reduce([frame[name] == key for name, key in wanted.items()])
    assert chosen.sum() == 1
    frame[column] = frame[column].astype(object)
    frame.loc[chosen, column] = value
    return replace(record, **{table: frame.infer_objects()})


def without(record, table, **row):
    """The record without some rows of a table."""
    frame = getattr(record, table)
    chosen = np.logical_and.reduce([frame[name] == key for name, key in row.items()])
    assert chosen.any()
    return replace(record, **{table: frame[~chosen]})


def verdict(record, name):
    """The verdict of a check, after its sentences were written too."""
    return run_check(name, CHECKS[name], record)["verdict"]


def test_every_check_has_a_place_a_claim_a_finding_and_a_known_verdict(checks):
    assert checks.index.is_unique and len(checks) >= 30
    assert checks["verdict"].isin(VERDICTS).all() and set(checks["verdict"]) == set(VERDICTS)
    for column in ("where", "claim", "found"):
        assert checks[column].str.len().gt(3).all()
    assert not checks.map(lambda text: "nan" in text.split() or "\n" in text).any().any()


@pytest.mark.parametrize(
    ("name", "expected", "words"),
    [
        ("headline-statistic", HOLDS, "4 of 12 formulas print both"),
        ("number-of-significant-subjects", HOLDS, "Ours (SP4) 5; losses of ours: 0"),
        ("percentages-of-table-1", IMPOSSIBLE, "SAE Projection, GEO: 31.0 % of 479"),
        ("percentages-of-table-4", HOLDS, "7 of 7"),
        ("size-of-the-benchmark", CONTRADICTED, "5000 problems in 7 subjects; 540 is NT alone"),
        ("power", CONTRADICTED, "0.25 (CP) to 0.59 (IA)"),
        ("ours-against-projection", UNDECIDED, "p = 0.058; after Holm over the subjects: PRE"),
        ("null-of-projection-when-paired", UNDECIDED, "fewer than 52 of 540"),
        ("losses-of-the-full-merge", UNDECIDED, "ALG −3.2 points, p = 0.11"),
        ("flat-response", HOLDS, "p = 0.88"),
        ("best-alpha", UNDECIDED, "Highest is α = 0.80"),
        ("full-sweep", CONTRADICTED, "α = 1.00 (rank 6)"),
        ("top-ten", CONTRADICTED, "α = 0.75 (38.3 %), α = 0.85 (39.3 %), above rank 6 (37.8 %)"),
        ("repeated-numbers-agree", HOLDS, "6 of 6"),
        ("thresholds-give-the-counts", HOLDS, "SP4 14L 14, SP4 noDeep 11, SP3.5 17L 17"),
        ("names-give-the-counts", CONTRADICTED, "“MID 10L” has #Layers 11; layers 17-27 are 11"),
        ("every-raw-variant-is-significant", CONTRADICTED, "SP4.5 11L 0/7"),
        ("no-projected-variant-is-significant", HOLDS, "0/7, 0/7"),
        ("deep-layers-are-critical", CONTRADICTED, "drops 30-32 of them and has 6"),
        ("higher-sp-is-better", CONTRADICTED, "SP4.5 11L (mean SP 6.01) has #Sig 0"),
        ("threshold-separates", UNDECIDED, "#Sig: SP3.5 17L 6, SP4 UNION 6; SP4 14L 5"),
        ("conserved-budget", CONTRADICTED, "11.2, 11.0, 17.0, 16.0, 9.9, 11.0"),
        ("layers-without-a-score", UNDECIDED, "8 of 34 layers are not listed: 0-5, 8, 33"),
        ("sp-beyond-depth", UNDECIDED, "11 of the 14 selected layers lie in one band, 14-27"),
        ("seven-highest-layers", UNDECIDED, "19, 20, 22, 23, 25, 30, 31"),
        ("two-vectors-together", UNDECIDED, "3 in the appendix, 4 in Table 5"),
        ("energy-kept", UNDECIDED, "4 of 4 energies of Table 3 are not in the surviving text"),
    ],
)
def test_what_is_found_in_the_published_record(checks, name, expected, words):
    assert checks.loc[name, "verdict"] == expected
    assert words in checks.loc[name, "found"]


ORDER = "table5"
FLIPS = [
    ("headline-statistic", ("text_claims", "C03", "value", "+3.52"), CONTRADICTED),
    ("headline-accuracies", ("text_claims", "C02", "value", "39.5"), CONTRADICTED),
    ("number-of-significant-subjects", ("table1", "Ours (SP4)", "n_sig_of_7", 6), CONTRADICTED),
    ("number-of-significant-subjects", ("text_claims", "C07", "value", "1/7"), CONTRADICTED),
    ("gain-after-all-configurations", ("text_claims", "C23", "value", "100+"), UNDECIDED),
    ("percentages-of-table-1", ("table1", "SAE Projection", "GEO_acc_pct", 30.9), HOLDS),
    ("percentages-of-table-4", ("table4", {"alpha": 0.9}, "NT_acc_pct", 37.9), IMPOSSIBLE),
    ("power", ("text_claims", "C20", "value", "9"), HOLDS),
    ("ours-against-projection", ("table1", "Ours (SP4)", "NT_acc_pct", 45.0), HOLDS),
    ("null-of-projection-when-paired", ("table1", "SAE Projection", "NT_acc_pct", 29.6), HOLDS),
    ("losses-of-the-full-merge", ("table1", "Full LoRA merge (34L)", "ALG_acc_pct", 50.0), HOLDS),
    (
        "losses-of-the-full-merge",
        ("table1", "Full LoRA merge (34L)", "GEO_acc_pct", 31.5),
        CONTRADICTED,
    ),
    ("ours-against-the-full-merge", ("table1", "Ours (SP4)", "NT_acc_pct", 31.1), UNDECIDED),
    ("flat-response", ("table4", {"alpha": 1.2}, "NT_acc_pct", 20.0), CONTRADICTED),
    ("best-alpha", ("table4", {"alpha": 1.2}, "NT_acc_pct", 20.0), HOLDS),
    ("best-alpha", ("table4", {"alpha": 0.85}, "NT_acc_pct", 39.6), CONTRADICTED),
    ("drop-at-the-highest-alpha", ("table4", {"alpha": 1.2}, "NT_acc_pct", 20.0), HOLDS),
    ("drop-at-the-highest-alpha", ("table4", {"alpha": 1.2}, "NT_acc_pct", 39.6), CONTRADICTED),
    ("full-sweep", (ORDER, {"configuration": "SP4 14L", "alpha": 1.0}, "alpha", 1.2), HOLDS),
    ("repeated-numbers-agree", ("table4", {"alpha": 0.8}, "sig", "4/7"), CONTRADICTED),
    ("repeated-numbers-agree", ("text_claims", "C27", "value", "6/7 vs 4/7"), CONTRADICTED),
    ("thresholds-give-the-counts", ("table6", 15, "sp", 3.9), CONTRADICTED),
    ("thresholds-give-the-counts", ("text_claims", "C25", "value", "18"), CONTRADICTED),
    ("every-raw-variant-is-significant", ("table2", "SP4.5 11L", "sig", "2/7"), HOLDS),
    (
        "no-projected-variant-is-significant",
        ("table3", {"method": "SAE Proj (16K, rank-3)"}, "sig", "1/7"),
        CONTRADICTED,
    ),
    ("deep-layers-are-critical", ("table2", "SP4 noDeep", "sig", "3/7"), HOLDS),
    ("higher-sp-is-better", ("table2", "SP4.5 11L", "sig", "7/7"), HOLDS),
    ("two-vectors-together", ("text_claims", "C43", "value", "4/7"), HOLDS),
]


@pytest.mark.parametrize(("name", "change", "expected"), FLIPS)
def test_another_number_in_the_record_gives_another_verdict(record, name, change, expected):
    assert verdict(record, name) != expected
    assert verdict(altered(record, *change), name) == expected


def test_a_benchmark_of_one_size_throughout_holds(record):
    sizes = record.subject_sizes.assign(n=[80, 80, 80, 80, 80, 80, 60])
    changed = replace(record, subject_sizes=sizes)
    changed = altered(changed, "text_claims", "C37", "value", "80")
    assert verdict(changed, "size-of-the-benchmark") == HOLDS


def test_a_name_that_gives_its_layers_holds(record):
    changed = altered(record, "table2", "MID 10L", "config", "MID 11L")
    assert verdict(changed, "names-give-the-counts") == HOLDS


def test_a_top_ten_without_better_ones_outside_holds(record):
    for alpha in (0.75, 0.85):
        record = without(record, "table4", alpha=alpha)
    assert verdict(record, "top-ten") == HOLDS
    swapped = altered(record, ORDER, {"rank": 1}, "rank", 6)
    assert verdict(swapped, "top-ten") == CONTRADICTED


def test_sets_that_dilute_the_signal_hold_the_threshold_up(record):
    for name in ("SP3.5 17L", "SP4 UNION"):
        record = altered(record, "table2", name, "sig", "2/7")
    assert verdict(record, "threshold-separates") == HOLDS


def test_a_conserved_product_holds(record):
    table = record.table2.assign(alpha=11 / record.table2["n_layers"])
    assert verdict(replace(record, table2=table), "conserved-budget") == HOLDS


def test_a_table_of_all_layers_holds(record):
    missing = pd.DataFrame({"layer": [0, 1, 2, 3, 4, 5, 8, 33], "sp": 1.0, "n_features": 0})
    table = pd.concat([record.table6, missing], ignore_index=True)
    assert verdict(replace(record, table6=table), "layers-without-a-score") == HOLDS


def test_energies_that_survive_are_compared_with_the_abstract(record):
    table = record.table3.assign(energy_retained_pct=[3.0, 5.0, 100.0, 100.0])
    assert verdict(replace(record, table3=table), "energy-kept") == HOLDS
    table = table.assign(energy_retained_pct=[13.0, 15.0, 100.0, 100.0])
    assert verdict(replace(record, table3=table), "energy-kept") == CONTRADICTED


def test_homogeneity_and_depth_are_those_of_scipy(record, checks):
    counts = np.array([209, 207, 213, 212, 204, 209, 192])
    p = stats.chisquare(counts, counts.mean() * np.ones(7)).statistic / (1 - counts.mean() / 540)
    assert f"χ² = {p:.2f} on 6" in checks.loc["flat-response", "found"]
    rho, p = stats.spearmanr(record.table6["layer"], record.table6["sp"])
    assert f"Spearman {rho:+.2f}, p = {p:.5f}"[:30] in checks.loc["sp-beyond-depth", "found"]


def test_mcnemar_turns_between_51_and_52_problems_lost():
    # +23 problems: c lost and c + 23 won.
    assert stats.binomtest(51, 2 * 51 + 23).pvalue < 0.05 <= stats.binomtest(52, 2 * 52 + 23).pvalue


@pytest.mark.parametrize("table", [f"table{number}" for number in range(1, 6)])
def test_empty_cells_leave_checks_undecided_and_raise_nothing(record, table):
    frame = getattr(record, table).copy()
    numbers = [c for c in frame.columns if c not in ("method", "config", "configuration", "alpha")]
    numbers = [c for c in numbers if c not in ("n_layers", "rank")]
    frame[numbers] = np.nan
    checks = published_tables(replace(record, **{table: frame}), CHECKS)["checks"]
    assert len(checks) == len(CHECKS)
    assert (checks["verdict"] == UNDECIDED).sum() >= 14
    assert not checks["found"].str.contains("nan").any()


def test_quotes_name_their_claims_and_places(checks):
    row = checks.loc["headline-statistic"]
    assert row["claim"] == "“(z=+3.41, p=0.0007)” [C03, C04]"
    assert row["where"].endswith("Table 1") and row["where"].startswith("Abstract")
    assert checks.loc["full-sweep", "where"] == "App. B, Table 4, Table 5"


def test_every_claim_that_is_cited_is_in_the_record_once(record):
    names = set(record.text_claims["claim_id"])
    assert len(names) == len(record.text_claims)
    assert {name for check in CHECKS.values() for name in check.get("claims", ())} <= names
    with pytest.raises(ValueError, match="text_claims: expected one row C99, found 0"):
        record.claim("C99")


def test_quotes_are_short(record):
    assert (record.text_claims["quote"].str.split().str.len() <= 15).all()


def test_layer_sets_are_read_and_written():
    assert layer_set("14, 15, 30-32") == {14, 15, 30, 31, 32}
    assert layer_set("layers 17–27") == set(range(17, 28))
    assert spans({0, 1, 2, 3, 4, 5, 8, 33}) == "0-5, 8, 33"
    assert spans({14, 15}) == "14, 15" and spans(set()) == "none"


def test_what_is_no_number_of_subjects_is_refused():
    assert significant("5/7") == 5
    with pytest.raises(ValueError, match="five is not|'five' is not"):
        significant("five")


def test_numbers_and_rows_are_written_as_the_sentences_need_them():
    assert [two_digits(p) for p in (0.00066, 0.02, 1.0)] == ["0.00066", "0.020", "1.0"]
    assert signed(-0.032) == "−3.2" and signed(0.0981) == "+9.8"
    table = pd.DataFrame({"name": ["a", "b"], "value": [1.5, 2.25]})
    assert each(table, "{name} {value:.1f}", "; ") == "a 1.5; b 2.2"


def test_a_check_without_a_function_is_named(record):
    with pytest.raises(ValueError, match="checks.yaml: no function .* for 'no-such-check'"):
        run_check("no-such-check", {}, record)
