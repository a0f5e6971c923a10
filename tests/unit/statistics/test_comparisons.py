"""Promises of stethoscope.statistics.paired, on frames counted by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stethoscope.statistics.paired import accuracy, comparisons
from stethoscope.statistics.tests import newcombe_interval

# --- tables over per-problem samples ---------------------------------------------------------

TARGET = "number_theory"
BASE = {TARGET: "0000111100", "algebra": "1100110011", "geometry": "0101010101"}
SP4 = {TARGET: "1111111100", "algebra": "1100110010", "geometry": "1101010101"}


def samples_of(seed, edit, alpha, correct, shift=0):
    """Rows of one evaluation; the problems lie in an order of their own (`shift`)."""
    rows = []
    for subject, bits in correct.items():
        for i in np.roll(np.arange(len(bits)), shift):
            rows.append(
                {
                    "seed": seed,
                    "edit": edit,
                    "alpha": alpha,
                    "subject": subject,
                    "doc_hash": f"{subject[:2]}{i}",
                    "correct": int(bits[i]),
                    "truncated": i == 0,
                    "parsed": i not in (0, 1),
                    "n_tokens": 10 + i,
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture
def one_seed():
    return pd.concat([samples_of(0, "base", 0.0, BASE), samples_of(0, "sp4", 0.8, SP4, shift=3)])


@pytest.fixture
def two_seeds(one_seed):
    again = [samples_of(1, "base", 0.0, BASE), samples_of(1, "sp4", 0.6, SP4)]
    return pd.concat([one_seed, *again])


def test_comparisons_of_a_frame_counted_by_hand(one_seed):
    table = comparisons(one_seed, target=TARGET).set_index("subject")
    assert list(table.index) == [TARGET, "algebra", "geometry", "all", "others"]
    counts = table[["n", "correct_reference", "correct_edit", "b", "c"]]
    assert counts.loc[TARGET].tolist() == [10, 4, 8, 4, 0]
    assert counts.loc["algebra"].tolist() == [10, 6, 5, 0, 1]
    assert counts.loc["geometry"].tolist() == [10, 5, 6, 1, 0]
    assert counts.loc["all"].tolist() == [30, 15, 19, 5, 1]
    assert counts.loc["others"].tolist() == [20, 11, 11, 1, 1]
    assert table.loc[TARGET, "p_mcnemar"] == pytest.approx(2 / 16)
    assert table.loc["all", "p_mcnemar"] == pytest.approx(14 / 64)
    assert table.loc[TARGET, "z"] == pytest.approx(0.4 / np.sqrt(0.24 / 9 + 0.16 / 9))
    assert (table["seed"] == "0").all() and (table["reference"] == "base").all()
    low, high = newcombe_interval(14, 5, 1, 10)
    assert tuple(table.loc["all", ["ci_low", "ci_high"]]) == (low, high)


def test_comparisons_correct_over_the_real_subjects_only(one_seed):
    table = comparisons(one_seed, target=TARGET).set_index("subject")
    assert table.loc[TARGET, "p_holm"] == pytest.approx(3 * 2 / 16)
    assert table.loc[["algebra", "geometry"], "p_holm"].tolist() == [1.0, 1.0]
    assert table.loc[["all", "others"], "p_holm"].isna().all()


def test_comparisons_have_the_columns_and_types_of_the_contract(one_seed, two_seeds):
    expected = (
        "seed edit alpha reference subject n correct_reference correct_edit b c z p_z "
        "p_mcnemar p_holm ci_low ci_high"
    ).split()
    first, second = comparisons(one_seed), comparisons(two_seeds, target=TARGET)
    assert list(first.columns) == expected
    assert (first.dtypes == second.dtypes).all()
    nothing = comparisons(one_seed[one_seed["edit"] == "base"])
    assert len(nothing) == 0 and (nothing.dtypes == first.dtypes).all()


def test_comparisons_without_target_have_no_others(one_seed):
    assert "others" not in set(comparisons(one_seed)["subject"])


def test_comparisons_against_another_edit_than_base(one_seed):
    samples = pd.concat([one_seed, samples_of(0, "full", 0.5, BASE)])
    table = comparisons(samples, references=[("sp4", 0.8)])
    full = table[(table["edit"] == "full") & (table["subject"] == "all")].iloc[0]
    assert (full["reference"], full["b"], full["c"]) == ("sp4", 1, 5)
    assert set(table["edit"]) == {"base", "full"}


def test_pooled_rows_take_problems_times_seeds(two_seeds):
    table = comparisons(two_seeds, target=TARGET)
    assert list(dict.fromkeys(table["seed"])) == ["0", "1", "pooled"]
    pooled = table[table["seed"] == "pooled"].set_index("subject")
    assert pooled.loc[TARGET, ["n", "b", "c"]].tolist() == [20, 8, 0]
    assert pooled.loc[TARGET, "p_mcnemar"] == pytest.approx(2 / 2**8)
    assert pooled.loc[TARGET, "p_holm"] == pytest.approx(3 * 2 / 2**8)


def test_pooled_alpha_is_empty_where_each_seed_chose_its_own(two_seeds):
    assert comparisons(two_seeds).query("seed == 'pooled'")["alpha"].isna().all()
    same = two_seeds.assign(alpha=two_seeds["alpha"].where(two_seeds["edit"] == "base", 0.8))
    assert (comparisons(same).query("seed == 'pooled'")["alpha"] == 0.8).all()


def test_edits_on_a_grid_are_pooled_at_the_alphas_that_all_seeds_share(two_seeds):
    samples = pd.concat([two_seeds, samples_of(1, "sp4", 0.8, BASE)])
    pooled = comparisons(samples).query("seed == 'pooled' and subject == 'all'")
    assert pooled[["alpha", "n", "b", "c"]].to_numpy().tolist() == [[0.8, 60, 5, 1]]


def test_an_edit_missing_in_one_seed_is_not_pooled(two_seeds):
    samples = pd.concat([two_seeds, samples_of(1, "full", 1.0, BASE)])
    table = comparisons(samples)
    assert set(table.query("seed == 'pooled'")["edit"]) == {"sp4"}
    assert set(table.query("seed == '1'")["edit"]) == {"sp4", "full"}


def test_one_seed_has_no_pooled_rows(one_seed):
    assert set(comparisons(one_seed)["seed"]) == {"0"}


def test_differing_problems_are_one_line_with_edit_subject_and_hash(one_seed):
    lacking = one_seed[~((one_seed["edit"] == "sp4") & one_seed["doc_hash"].isin(["al7", "al3"]))]
    with pytest.raises(ValueError) as error:
        comparisons(lacking)
    message = str(error.value)
    assert message == (
        "edit sp4 (seed 0, alpha 0.8): algebra: not the problems of reference base: "
        "al3 is in base, not in sp4 (2 differ)"
    )


def test_a_subject_that_the_edit_was_not_asked_is_an_error(one_seed):
    lacking = one_seed[~((one_seed["edit"] == "sp4") & (one_seed["subject"] == "geometry"))]
    with pytest.raises(ValueError, match="geometry: not the problems of reference base: ge0"):
        comparisons(lacking)


@pytest.mark.parametrize("table", [comparisons, accuracy])
def test_a_problem_counted_twice_is_one_line_with_edit_subject_and_hash(one_seed, table):
    doubled = pd.concat([one_seed, one_seed[one_seed["doc_hash"] == "nu4"].iloc[[1]]])
    with pytest.raises(ValueError) as error:
        table(doubled)
    assert str(error.value) == (
        "edit sp4 (seed 0, alpha 0.8): number_theory: problem nu4 occurs more than once"
    )


def test_a_reference_that_was_not_run_is_named(one_seed):
    with pytest.raises(ValueError, match=r"reference full: seed 0 needs exactly one .*none"):
        comparisons(one_seed, references=[("full", None)])
    with pytest.raises(ValueError, match=r"sp4: seed 0 needs alpha 1.0 of it \(found 0.8\)"):
        comparisons(one_seed, references=[("sp4", 1.0)])


def test_samples_with_a_missing_column_or_a_half_right_answer_are_refused(one_seed):
    with pytest.raises(ValueError, match="no column 'doc_hash'"):
        comparisons(one_seed.drop(columns="doc_hash"))
    with pytest.raises(ValueError, match="'correct' must hold 0 or 1"):
        comparisons(one_seed.assign(correct=0.5))
    with pytest.raises(ValueError, match="target 'topology'"):
        comparisons(one_seed, target="topology")


def test_accuracy_of_a_frame_counted_by_hand(one_seed):
    table = accuracy(one_seed, target=TARGET)
    assert list(table.columns) == (
        "seed edit alpha subject n correct accuracy se truncated unparsed mean_tokens".split()
    )
    rows = table.set_index(["edit", "subject"])
    assert len(rows) == 10
    assert rows.loc[("sp4", TARGET), "n":"accuracy"].tolist() == [10, 8, 0.8]
    assert rows.loc[("sp4", "others"), "n":"accuracy"].tolist() == [20, 11, 0.55]
    assert rows.loc[("base", "all"), "n":"accuracy"].tolist() == [30, 15, 0.5]
    assert rows.loc[("sp4", "all"), ["truncated", "unparsed"]].tolist() == [3, 6]
    assert rows.loc[("sp4", "all"), "mean_tokens"] == pytest.approx(14.5)


def test_standard_error_of_accuracy_is_that_of_the_mean_with_ddof_1(one_seed):
    rows = accuracy(one_seed).set_index(["edit", "subject"])
    expected = stats.sem([int(bit) for bit in SP4[TARGET]])
    assert rows.loc[("sp4", TARGET), "se"] == pytest.approx(expected, rel=1e-12)
