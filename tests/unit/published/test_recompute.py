"""The published tables recomputed: counts, z, p and power, against scipy and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from report_inputs import published_record
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import normal_power
from statsmodels.stats.proportion import proportion_effectsize, proportions_ztest

from stethoscope.published.formulas import prints_as, published_formulas
from stethoscope.published.recompute import (
    ALL,
    BASE,
    FULL,
    OTHERS,
    OURS,
    PROJECTION,
    correct_count,
    printable_share,
    problems_needed,
    published_comparisons,
    published_grim,
    published_power,
    published_significant,
    published_sweep,
    published_table1,
    unpaired_detectable,
    unpaired_power,
)

EXACT = {"rel": 1e-10, "abs": 1e-10}


@pytest.fixture(scope="module")
def record():
    return published_record()


@pytest.fixture
def table1(record):
    return record.table1.copy()


@pytest.fixture
def sizes(record):
    return record.subject_sizes


@pytest.fixture(scope="module")
def comparisons(record):
    return published_comparisons(record.table1, record.subject_sizes)


def test_one_published_cell_is_impossible_and_every_other_has_one_count(table1, sizes):
    counts = {
        (row["method"], subject): correct_count(row[f"{subject}_acc_pct"], n)
        for _, row in table1.iterrows()
        for subject, n in zip(sizes["subject"], sizes["n"], strict=True)
    }
    assert len(counts) == 28
    assert [cell for cell, rows in counts.items() if len(rows) != 1] == [(PROJECTION, "GEO")]
    assert counts[PROJECTION, "GEO"] == [] and counts[OURS, "NT"] == [213]


@pytest.mark.parametrize(("n", "decimals"), [(7, 0), (479, 1), (3000, 1), (300, 2)])
def test_counts_are_those_that_print_as_the_percentage(n, decimals):
    printed = {}
    for k in range(n + 1):
        printed.setdefault(float(f"{100 * k / n:.{decimals}f}"), []).append(k)
    for percent, expected in printed.items():
        counts = correct_count(percent, n, decimals)
        assert set(expected) <= set(counts)
        # Anything more lies exactly halfway to the neighbour, which another rounding rule takes.
        for k in set(counts) - set(expected):
            assert abs(100 * k / n - percent) == pytest.approx(0.5 / 10**decimals)


def test_halfway_counts_for_both_neighbours():
    assert 1 in correct_count(12, 8, decimals=0)  # 1/8 = 12.5 %
    assert 1 in correct_count(13, 8, decimals=0)


@pytest.mark.parametrize("percent", [-0.1, 100.1, 31.05])
def test_what_is_not_a_printed_percentage_is_refused(percent):
    with pytest.raises(ValueError, match=str(percent)):
        correct_count(percent, 479)


def test_pooled_z_and_p_are_those_of_statsmodels(comparisons):
    for row in comparisons.itertuples():
        counts = (row.correct_method, row.correct_reference)
        z, p = proportions_ztest(counts, (row.n, row.n))
        assert (row.z_pooled, row.p_pooled) == pytest.approx((z, p), **EXACT)


def test_lmeval_z_is_welchs_t_of_the_scores_with_a_normal_p(comparisons):
    for row in comparisons.itertuples():
        scores = [
            np.repeat([1, 0], [k, row.n - k]) for k in (row.correct_method, row.correct_reference)
        ]
        t = stats.ttest_ind(*scores, equal_var=False).statistic
        assert row.z_lmeval == pytest.approx(t, **EXACT)
        assert row.p_lmeval == pytest.approx(2 * stats.norm.sf(abs(t)), **EXACT)
        if t:
            half = stats.norm.ppf(0.975) * row.difference / t
            interval = (row.difference - half, row.difference + half)
            assert (row.ci_low, row.ci_high) == pytest.approx(interval, **EXACT)


@pytest.mark.parametrize(("column", "method"), [("p_holm", "holm"), ("p_bh", "fdr_bh")])
def test_corrections_are_those_of_statsmodels(comparisons, column, method):
    single = comparisons[~comparisons["subject"].isin([ALL, OTHERS])]
    for _, table in single.groupby(["method", "reference"]):
        expected = multipletests(table["p_lmeval"], method=method)[1]
        assert table[column].to_numpy() == pytest.approx(expected, **EXACT)
    table = single[single["reference"] == BASE]
    assert len(table) == 21
    expected = multipletests(table["p_lmeval"], method=method)[1]
    assert table[f"{column}_table"].to_numpy() == pytest.approx(expected, **EXACT)
    assert single.loc[single["reference"] != BASE, f"{column}_table"].isna().all()


def test_sums_over_subjects_are_over_5000_problems(comparisons):
    rows = comparisons.set_index(["method", "reference", "subject"])
    row = rows.loc[OURS, BASE, ALL]
    # 160 + 158 + 728 + 146 + 150 + 548 + 112, and what ours adds: 53 + 38 + 67 + 32 + 27 + 58 + 0.
    assert (row["n"], row["correct_reference"], row["correct_method"]) == (5000, 2002, 2277)
    assert row["difference"] == pytest.approx(275 / 5000)
    assert f"{row['z_lmeval']:.2f}" == "5.57"
    others = rows.loc[OURS, BASE, OTHERS]
    assert (others["n"], others["correct_method"]) == (4460, 2277 - 213)
    assert np.isnan(row["p_holm"]) and np.isnan(row["p_holm_table"])


def test_ours_against_projection_is_not_significant_on_the_target(comparisons):
    table = comparisons.set_index(["method", "reference", "subject"]).loc[OURS].loc[PROJECTION]
    assert (table.loc["NT", "correct_reference"], table.loc["NT", "correct_method"]) == (183, 213)
    assert f"{table.loc['NT', 'p_lmeval']:.3f}" == "0.058"
    assert list(table.index[table["p_holm"] < 0.05]) == ["PRE"]
    assert not table.loc["GEO", "possible"] and table.loc["NT", "possible"]


def test_sig_of_table_1_is_reproduced_by_both_formulas(comparisons):
    rows = published_significant(comparisons).set_index(["method", "reference"])
    against_base = rows.xs(BASE, level="reference")
    for test in ("pooled", "lmeval"):
        assert against_base[f"gains_{test}"].to_dict() == {FULL: 0, PROJECTION: 0, OURS: 5}
        assert (against_base[f"losses_{test}"] == 0).all()
    ours = against_base.loc[OURS]
    assert [ours[f"gains_{t}"] for t in ("holm", "bh", "holm_table", "bh_table")] == [4, 5, 1, 3]
    assert pd.isna(rows.loc[(OURS, PROJECTION), "gains_holm_table"])


def test_table_1_has_the_columns_of_the_contract_and_the_headline(comparisons, sizes):
    table = published_table1(comparisons)
    expected = (
        "method subject n correct_base correct_method z_pooled z_lmeval p_lmeval p_holm "
        "grim_possible"
    )
    assert list(table.columns) == expected.split()
    assert list(dict.fromkeys(table["method"])) == [FULL, PROJECTION, OURS]
    assert table["subject"].tolist() == 3 * sizes["subject"].tolist()
    row = table.set_index(["method", "subject"]).loc[(OURS, "NT")]
    assert (row["n"], row["correct_base"], row["correct_method"]) == (540, 160, 213)
    assert f"{row['z_lmeval']:.2f}" == "3.41" and f"{row['z_pooled']:.2f}" == "3.39"
    assert f"{row['p_lmeval']:.4f}" == "0.0007" and f"{row['p_holm']:.4f}" == "0.0046"
    impossible = table[~table["grim_possible"]]
    assert impossible[["method", "subject"]].to_numpy().tolist() == [[PROJECTION, "GEO"]]
    assert impossible["correct_method"].tolist() == [148]  # 30.90 %; 149 is 31.11 %


def test_losses_are_counted_apart_from_gains(table1, sizes):
    table1.loc[table1["method"] == FULL, "ALG_acc_pct"] = 50.0
    counts = published_significant(published_comparisons(table1, sizes))
    row = counts.set_index(["method", "reference"]).loc[(FULL, BASE)]
    assert (row["gains_lmeval"], row["losses_lmeval"]) == (0, 1)


def test_a_column_or_method_that_is_missing_is_named(table1, sizes):
    with pytest.raises(ValueError, match="table1: no column 'GEO_acc_pct'"):
        published_comparisons(table1.drop(columns="GEO_acc_pct"), sizes)
    with pytest.raises(ValueError, match="table1: needs one row of each method: Base model, Full"):
        published_comparisons(table1[1:], sizes)


def test_an_empty_accuracy_empties_what_follows_from_it_and_nothing_else(table1, sizes):
    table1.loc[table1["method"] == OURS, "CP_acc_pct"] = np.nan
    rows = published_comparisons(table1, sizes).set_index(["method", "reference", "subject"])
    for subject in ("CP", ALL, OTHERS):
        row = rows.loc[(OURS, BASE, subject)]
        assert row["correct_reference"] > 0 and pd.isna(row["correct_method"])
        assert row["possible":].isna().all()
    nt = rows.loc[(OURS, BASE, "NT")]
    assert nt["p_holm"] == pytest.approx(6 * nt["p_lmeval"])  # six subjects are left
    counts = published_significant(rows.reset_index()).set_index(["method", "reference"])
    assert counts.loc[(OURS, BASE), "n_subjects"] == 6
    assert counts.loc[(PROJECTION, BASE), "n_subjects"] == 7


@pytest.mark.parametrize(("base", "gain", "n"), [(0.2963, 0.04, 540), (0.61, -0.03, 1187)])
def test_power_is_that_of_statsmodels(base, gain, n):
    sigma = np.sqrt(base * (1 - base) + (base + gain) * (1 - base - gain))
    expected = normal_power(gain, n - 1, 0.05, sigma=sigma)
    assert unpaired_power(base, gain, n) == pytest.approx(expected, **EXACT)


def test_power_at_the_detectable_effect_and_at_the_problems_needed_is_the_one_wanted():
    gain = unpaired_detectable(0.3, 540)
    assert unpaired_power(0.3, gain, 540) == pytest.approx(0.8)
    n = problems_needed(0.3, 0.04)
    assert unpaired_power(0.3, 0.04, n) >= 0.8 > unpaired_power(0.3, 0.04, n - 1)


def test_the_paper_test_is_not_powered_for_four_points_on_any_subject(record):
    table = published_power(record.table1, record.subject_sizes, 0.04).set_index("subject")
    # Worked out once by hand for NT: 2.8016 * sqrt((p0 q0 + p1 q1) / 539) = 0.0803 at p1 = 0.3766.
    assert 100 * table.loc["NT", "detectable"] == pytest.approx(8.03, abs=0.01)
    shown = [f"{power:.2f}" for power in table["power_at_gain"]]
    assert shown == ["0.29", "0.25", "0.53", "0.26", "0.59", "0.42", "0.35"]


def test_one_of_35_printed_percentages_is_impossible(record):
    table = published_grim(record.table1, record.table4, record.subject_sizes)
    assert len(table) == 28 + 7
    wrong = table[~table["possible"]]
    assert wrong[["table", "row", "subject", "percent", "below", "above"]].values.tolist() == [
        ["Table 1", PROJECTION, "GEO", 31.0, 30.9, 31.1]
    ]
    assert table.loc[table["table"] == "Table 4", "correct"].tolist() == [
        209, 207, 213, 212, 204, 209, 192,
    ]  # fmt: skip


def test_another_slip_in_a_percentage_is_found(table1, record):
    table1.loc[table1["method"] == FULL, "CP_acc_pct"] = 33.4  # 158/474 is 33.33, 159 is 33.54
    table = published_grim(table1, record.table4, record.subject_sizes)
    assert (~table["possible"]).sum() == 2


def test_share_of_percentages_that_a_size_can_print():
    assert printable_share(4) == pytest.approx(5 / 1001)
    assert printable_share(3000) == 1


def test_sweep_is_tested_against_base_and_against_its_best(record):
    table = published_sweep(record.table1, record.table4, record.subject_sizes).set_index("alpha")
    assert f"{table.loc[0.8, 'z_lmeval']:.2f}" == "3.41"
    assert table.loc[0.8, "p_best"] == 1
    scores = [np.repeat([1, 0], [k, 540 - k]) for k in (213, 192)]
    t = stats.ttest_ind(*scores, equal_var=False).statistic
    assert table.loc[1.2, "p_best"] == pytest.approx(2 * stats.norm.sf(t), **EXACT)


def test_which_formulas_print_the_headline():
    table = published_formulas(29.6, 39.4, 540, "+3.41", "0.0007").set_index("formula")
    both = [name for name, row in table.iterrows() if row["both_print"] == "yes"]
    assert both[0] == "unpooled, lm-eval's standard errors (n − 1)" and len(both) == 4
    assert table.loc["pooled (the textbook test)", "both_print"] == "no"
    # The z with n instead of n - 1 prints as 3.41 too, but its p as 0.0006.
    assert table.loc["unpooled, n", ["z_prints", "p_prints"]].tolist() == ["yes", "no"]
    assert pd.isna(table.loc["Fisher's exact test", "z_prints"])


def test_formulas_agree_with_scipy_and_statsmodels():
    table = published_formulas(29.6, 39.4, 540, "+3.41", "0.0007").set_index("formula")
    cells = np.array([[213, 327], [160, 380]])
    scores = [np.repeat([1, 0], row) for row in cells]

    welch = stats.ttest_ind(*scores, equal_var=False)
    rows = table.loc["Welch's t of the 0/1 scores", ["z", "p"]].astype(float)
    assert rows.tolist() == pytest.approx([welch.statistic, welch.pvalue], **EXACT)

    yates = stats.chi2_contingency(cells, correction=True)
    rows = table.loc["pooled, Yates's correction", ["z", "p"]].astype(float)
    assert rows.tolist() == pytest.approx([np.sqrt(yates.statistic), yates.pvalue], **EXACT)

    pooled = proportions_ztest([213, 160], [540, 540])
    rows = table.loc["pooled (the textbook test)", ["z", "p"]].astype(float)
    assert rows.tolist() == pytest.approx(pooled, **EXACT)

    h = proportion_effectsize(213 / 540, 160 / 540)
    assert table.loc["difference of arcsines", "z"] == pytest.approx(h * np.sqrt(270), **EXACT)

    odds = stats.contingency.odds_ratio(cells, kind="sample").statistic
    z = np.log(odds) / np.sqrt((1 / cells).sum())
    assert table.loc["difference of log odds (Wald)", "z"] == pytest.approx(z, **EXACT)

    exact = stats.fisher_exact(cells).pvalue
    assert table.loc["Fisher's exact test", "p"] == pytest.approx(exact, **EXACT)


def test_another_printed_z_is_matched_by_another_formula():
    table = published_formulas(29.6, 39.4, 540, "+3.39", "0.0007").set_index("formula")
    assert table.loc["pooled (the textbook test)", "both_print"] == "yes"
    assert table.loc["unpooled, lm-eval's standard errors (n − 1)", "both_print"] == "no"


def test_printed_numbers_are_compared_at_their_own_decimals():
    assert prints_as(3.4068, "+3.41") and prints_as(-1.25, "−1.2") and prints_as(0.00066, "0.0007")
    assert not prints_as(3.4068, "3.40") and not prints_as(3.4, "-3.4")
