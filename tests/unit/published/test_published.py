"""Promises of stethoscope.published.recompute, on the published Table 1 itself."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stethoscope.published.recompute import correct_count, published_significant, published_table1

PUBLISHED = Path(__file__).parents[3] / "config" / "published"


@pytest.fixture
def table1():
    return pd.read_csv(PUBLISHED / "table1.csv")


@pytest.fixture
def sizes():
    return pd.read_csv(PUBLISHED / "subject_sizes.csv")


def test_one_published_cell_is_impossible_and_every_other_has_one_count(table1, sizes):
    counts = {
        (row["method"], subject): correct_count(row[f"{subject}_acc_pct"], n)
        for _, row in table1.iterrows()
        for subject, n in zip(sizes["subject"], sizes["n"], strict=True)
    }
    assert len(counts) == 28
    assert [cell for cell, found in counts.items() if len(found) != 1] == [
        ("SAE Projection", "GEO")
    ]
    assert counts["SAE Projection", "GEO"] == []
    assert counts["Ours (SP4)", "NT"] == [213]


@pytest.mark.parametrize(("n", "decimals"), [(7, 0), (479, 1), (1187, 1), (3000, 1), (300, 2)])
def test_counts_found_are_those_that_print_as_the_percentage(n, decimals):
    printed = {}
    for k in range(n + 1):
        printed.setdefault(float(f"{100 * k / n:.{decimals}f}"), []).append(k)
    for percent, expected in printed.items():
        found = correct_count(percent, n, decimals)
        assert set(expected) <= set(found)
        # Anything more lies exactly halfway to the neighbour, which another rounding rule takes.
        for k in set(found) - set(expected):
            assert abs(100 * k / n - percent) == pytest.approx(0.5 / 10**decimals)


def test_halfway_counts_for_both_neighbours():
    assert 1 in correct_count(12, 8, decimals=0)  # 1/8 = 12.5 %
    assert 1 in correct_count(13, 8, decimals=0)


@pytest.mark.parametrize("percent", [-0.1, 100.1, 31.05])
def test_what_is_not_a_printed_percentage_is_refused(percent):
    with pytest.raises(ValueError, match=str(percent)):
        correct_count(percent, 479)


def test_headline_row_of_table_1(table1, sizes):
    table = published_table1(table1, sizes).set_index(["method", "subject"])
    row = table.loc[("Ours (SP4)", "NT")]
    assert (row["n"], row["correct_base"], row["correct_method"]) == (540, 160, 213)
    assert f"{row['z_lmeval']:.2f}" == "3.41" and f"{row['z_pooled']:.2f}" == "3.39"
    assert f"{row['p_lmeval']:.4f}" == "0.0007" and f"{row['p_holm']:.4f}" == "0.0046"


def test_table_1_has_the_columns_of_the_contract_in_the_paper_order(table1, sizes):
    table = published_table1(table1, sizes)
    expected = (
        "method subject n correct_base correct_method z_pooled z_lmeval p_lmeval p_holm "
        "grim_possible"
    )
    assert list(table.columns) == expected.split()
    assert list(dict.fromkeys(table["method"])) == list(table1["method"][1:])
    assert table["subject"].tolist() == 3 * sizes["subject"].tolist()


def test_impossible_cell_carries_the_nearest_count_and_is_marked(table1, sizes):
    table = published_table1(table1, sizes)
    impossible = table[~table["grim_possible"]]
    assert impossible[["method", "subject"]].to_numpy().tolist() == [["SAE Projection", "GEO"]]
    assert impossible["correct_method"].tolist() == [148]  # 30.90 %; 149 is 31.11 %


def test_significant_counts_are_the_published_ones_and_holm_keeps_four(table1, sizes):
    counts = published_significant(published_table1(table1, sizes)).set_index("method")
    assert counts["n_significant"].tolist() == [0, 0, 5]
    assert counts["n_significant"].tolist() == table1["n_sig_of_7"].dropna().tolist()
    assert counts["n_significant_holm"].tolist() == [0, 0, 4]
    assert counts["n_degraded"].tolist() == [0, 0, 0]


def test_holm_drops_geometry_only(table1, sizes):
    ours = published_table1(table1, sizes).query("method == 'Ours (SP4)'").set_index("subject")
    dropped = (ours["p_lmeval"] < 0.05) & (ours["p_holm"] >= 0.05)
    assert list(ours.index[dropped]) == ["GEO"]


def test_losses_are_counted_apart_from_gains(table1, sizes):
    table1.loc[table1["method"] == "Full LoRA merge (34L)", "ALG_acc_pct"] = 50.0
    counts = published_significant(published_table1(table1, sizes)).set_index("method")
    assert counts.loc["Full LoRA merge (34L)", "n_significant":"n_degraded"].tolist() == [0, 1]


def test_empty_cells_stay_empty(table1, sizes):
    table1.loc[table1["method"] == "Ours (SP4)", "PC_acc_pct"] = np.nan
    table = published_table1(table1, sizes)
    row = table.query("method == 'Ours (SP4)' and subject == 'PC'").iloc[0]
    assert row["correct_base"] == 112
    rest = "correct_method z_pooled z_lmeval p_lmeval p_holm grim_possible".split()
    assert row[rest].isna().all()
    # Holm is then over the six that are left: 6 x 0.000657.
    nt = table.query("method == 'Ours (SP4)' and subject == 'NT'").iloc[0]
    assert nt["p_holm"] == pytest.approx(6 * nt["p_lmeval"])
    assert (table.dtypes == published_table1(table1.fillna(20.5), sizes).dtypes).all()


def test_a_column_that_is_missing_is_named(table1, sizes):
    with pytest.raises(ValueError, match="table1: no column 'GEO_acc_pct'"):
        published_table1(table1.drop(columns="GEO_acc_pct"), sizes)
