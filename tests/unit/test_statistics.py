"""Promises of stethoscope.statistics, each against a value worked out by other means."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from stethoscope.statistics import (
    accuracy,
    benjamini_hochberg,
    choose_alpha,
    comparisons,
    holm,
    mcnemar_exact,
    mcnemar_midp,
    minimum_detectable_effect,
    newcombe_interval,
    paired_bootstrap,
    paired_difference,
    stratified_paired_bootstrap,
    two_proportion_z,
    wilson_interval,
)


def answers(both, b, c, neither):
    """Reference and edit with these four counts, in a scrambled order of problems."""
    reference = np.repeat([1, 0, 1, 0], [both, b, c, neither])
    edit = np.repeat([1, 1, 0, 0], [both, b, c, neither])
    order = np.random.default_rng(7).permutation(len(edit))
    return reference[order], edit[order]


# --- the paper's z ---------------------------------------------------------------------------


def test_lmeval_z_gives_the_published_z_and_p_to_the_last_digit():
    z, p = two_proportion_z(160, 540, 213, 540, pooled=False)
    assert (f"{z:+.2f}", f"{p:.4f}") == ("+3.41", "0.0007")


def test_pooled_z_does_not_give_the_published_z():
    z, p = two_proportion_z(160, 540, 213, 540, pooled=True)
    assert (f"{z:+.2f}", f"{p:.4f}") == ("+3.39", "0.0007")


@pytest.mark.parametrize("counts", [(160, 540, 213, 540), (728, 1187, 690, 1187), (3, 10, 9, 25)])
def test_pooled_z_equals_statsmodels(counts):
    k0, n0, k1, n1 = counts
    expected = proportions_ztest([k1, k0], [n1, n0])
    assert two_proportion_z(*counts, pooled=True) == pytest.approx(expected, rel=1e-12)


def test_lmeval_z_is_the_difference_over_the_joined_standard_errors_of_the_answers():
    first, second = np.repeat([1, 0], [3, 7]), np.repeat([1, 0], [18, 7])
    joined = np.hypot(stats.sem(first), stats.sem(second))  # scipy's sem has ddof = 1
    z, p = two_proportion_z(3, 10, 18, 25, pooled=False)
    assert z == pytest.approx((18 / 25 - 3 / 10) / joined, rel=1e-12)
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-12)


@pytest.mark.parametrize("pooled", [True, False])
def test_z_is_zero_where_both_are_all_wrong_or_all_right(pooled):
    assert two_proportion_z(0, 5, 0, 9, pooled) == (0.0, 1.0)
    assert two_proportion_z(5, 5, 9, 9, pooled) == (0.0, 1.0)


def test_lmeval_z_of_all_wrong_against_all_right_is_infinite():
    assert two_proportion_z(0, 5, 5, 5, pooled=False) == (np.inf, 0.0)
    assert two_proportion_z(5, 5, 0, 5, pooled=False) == (-np.inf, 0.0)


def test_z_refuses_more_correct_than_asked():
    with pytest.raises(ValueError, match="6 correct of 5"):
        two_proportion_z(6, 5, 1, 5, pooled=True)


# --- paired tests and intervals --------------------------------------------------------------

DISCORDANT = [(0, 0), (1, 0), (0, 7), (5, 5), (12, 2), (3, 9), (80, 27), (107, 160), (600, 455)]


@pytest.mark.parametrize(("b", "c"), DISCORDANT)
def test_exact_mcnemar_equals_statsmodels_and_the_binomial_test(b, c):
    by_statsmodels = mcnemar([[10, b], [c, 20]], exact=True).pvalue
    assert mcnemar_exact(b, c) == pytest.approx(min(1, by_statsmodels), rel=1e-12, abs=1e-15)
    by_scipy = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(by_scipy, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("b", "c"), DISCORDANT)
def test_midp_is_the_exact_p_less_the_probability_of_the_observed_count(b, c):
    law = stats.binom(b + c, 0.5)
    expected = 2 * law.cdf(min(b, c)) - law.pmf(min(b, c))
    assert mcnemar_midp(b, c) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_midp_of_two_against_twelve_by_hand():
    # 2 (1 + 14 + 91/2) / 2^14
    assert mcnemar_midp(12, 2) == pytest.approx(121 / 16384, rel=1e-12)
    assert mcnemar_exact(12, 2) == pytest.approx(212 / 16384, rel=1e-12)


@pytest.mark.parametrize(("k", "n"), [(0, 9), (9, 9), (3, 10), (160, 540)])
def test_wilson_interval_equals_statsmodels(k, n):
    expected = proportion_confint(k, n, method="wilson")
    assert wilson_interval(k, n) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "expected", "digits"),
    [
        # Cavo et al. (2012), example of Fagerland, Lydersen and Laake's book (ch. 8) and of its R
        # package contingencytables: the continuity correction of phi shrinks it.
        ((59, 6, 16, 80), (-0.1186, -0.0046), 4),
        # Bentur et al. (2009) in Fagerland, Lydersen and Laake (2014), table V: the correction
        # brings phi to zero.
        ((1, 1, 7, 12), (-0.507, -0.026), 3),
    ],
)
def test_newcombe_interval_gives_the_published_examples(counts, expected, digits):
    assert tuple(round(limit, digits) for limit in newcombe_interval(*counts)) == expected


def test_newcombe_interval_by_the_formula_of_method_10():
    # 40 both right, 12 gained, 5 lost, 23 both wrong: n = 80, edit 52, reference 45.
    low1, high1 = proportion_confint(52, 80, method="wilson")
    low0, high0 = proportion_confint(45, 80, method="wilson")
    p1, p0 = 52 / 80, 45 / 80
    phi = (40 * 23 - 12 * 5 - 80 / 2) / (52 * 28 * 45 * 35) ** 0.5
    below, above = (p1 - low1, high0 - p0), (high1 - p1, p0 - low0)
    expected = (
        7 / 80 - (below[0] ** 2 - 2 * phi * below[0] * below[1] + below[1] ** 2) ** 0.5,
        7 / 80 + (above[0] ** 2 - 2 * phi * above[0] * above[1] + above[1] ** 2) ** 0.5,
    )
    assert newcombe_interval(40, 12, 5, 23) == pytest.approx(expected, abs=1e-12)


def test_newcombe_interval_mirrors_when_edit_and_reference_change_places():
    low, high = newcombe_interval(40, 12, 5, 23)
    assert newcombe_interval(40, 5, 12, 23) == pytest.approx((-high, -low), abs=1e-12)


@pytest.mark.parametrize("counts", [(30, 0, 0, 0), (0, 0, 0, 30), (0, 30, 0, 0), (0, 0, 30, 0)])
def test_newcombe_interval_stays_in_range_where_the_table_is_degenerate(counts):
    low, high = newcombe_interval(*counts)
    assert -1 <= low <= (counts[1] - counts[2]) / 30 <= high <= 1
    assert high > low


def test_paired_difference_of_a_known_table():
    d = paired_difference(*answers(both=40, b=12, c=5, neither=23))
    assert (d.n, d.correct_reference, d.correct_edit, d.b, d.c) == (80, 45, 52, 12, 5)
    assert d.difference == pytest.approx(0.0875)
    assert d.p_mcnemar == pytest.approx(stats.binomtest(12, 17).pvalue, rel=1e-12)
    assert (d.ci_low, d.ci_high) == newcombe_interval(40, 12, 5, 23)
    assert (d.z, d.p_z) == two_proportion_z(45, 80, 52, 80, pooled=False)


def test_paired_standard_error_is_that_of_the_mean_of_differences():
    reference, edit = answers(both=40, b=12, c=5, neither=23)
    d = paired_difference(reference, edit)
    assert d.se == pytest.approx(stats.sem(edit - reference, ddof=0), rel=1e-12)


def test_paired_difference_of_an_edit_with_itself_is_nothing():
    reference, _ = answers(both=40, b=12, c=5, neither=23)
    d = paired_difference(reference, reference)
    assert (d.difference, d.p_mcnemar, d.z, d.p_z) == (0.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("reference", "edit"),
    [([0, 1, 1], [0, 1]), ([0, 2], [0, 1]), ([0, np.nan], [0, 1]), ([1], [1])],
)
def test_paired_difference_refuses_what_is_not_paired_answers(reference, edit):
    with pytest.raises(ValueError, match="answers"):
        paired_difference(np.array(reference), np.array(edit))


# --- bootstrap -------------------------------------------------------------------------------


def test_bootstrap_interval_is_near_the_normal_one_on_many_problems():
    reference, edit = answers(both=900, b=300, c=200, neither=600)
    d = paired_difference(reference, edit)
    low, high = paired_bootstrap(reference, edit, draws=4000, seed=1)
    assert low == pytest.approx(d.difference - 1.96 * d.se, abs=0.1 * d.se)
    assert high == pytest.approx(d.difference + 1.96 * d.se, abs=0.1 * d.se)


def test_bootstrap_interval_covers_the_true_difference_about_95_times_in_100():
    generator = np.random.default_rng(20)
    covered = 0
    for _ in range(200):
        kind = generator.choice(4, size=120, p=[0.4, 0.2, 0.1, 0.3])
        reference, edit = np.isin(kind, (0, 2)), np.isin(kind, (0, 1))
        low, high = paired_bootstrap(reference, edit, draws=400, seed=3)
        covered += low <= 0.1 <= high
    assert 180 <= covered <= 198


def test_bootstrap_depends_on_its_seed_alone():
    reference, edit = answers(both=40, b=12, c=5, neither=23)
    first = paired_bootstrap(reference, edit, draws=300, seed=1)
    assert paired_bootstrap(reference, edit, draws=300, seed=1) == first
    assert paired_bootstrap(reference, edit, draws=300, seed=2) != first


def test_bootstrap_gives_every_edit_the_same_resamples():
    # The resampled problems are those of one index stream, so that an edit which gains on
    # exactly the problems where another loses has the mirrored interval.
    reference = np.zeros(60, dtype=int)
    edit = np.arange(60) % 3 == 0
    low, high = paired_bootstrap(reference, edit, draws=300, seed=5)
    assert paired_bootstrap(edit, reference, draws=300, seed=5) == pytest.approx((-high, -low))


def test_stratified_bootstrap_keeps_the_size_of_each_subject():
    # One subject gains on all its problems, the other on none: resampling within subjects
    # cannot vary, resampling over everything would.
    reference = {"algebra": np.zeros(30, int), "geometry": np.zeros(10, int)}
    edit = {"algebra": np.zeros(30, int), "geometry": np.ones(10, int)}
    assert stratified_paired_bootstrap(reference, edit, draws=200, seed=1) == (0.25, 0.25)
    low, high = paired_bootstrap(
        np.concatenate([*reference.values()]), np.concatenate([*edit.values()]), 200, 1
    )
    assert low < 0.25 < high


def test_stratified_bootstrap_does_not_depend_on_the_order_of_subjects():
    first, second = answers(20, 9, 4, 20), answers(15, 3, 8, 9)
    forward = stratified_paired_bootstrap(
        {"a": first[0], "b": second[0]}, {"a": first[1], "b": second[1]}, 300, 1
    )
    backward = stratified_paired_bootstrap(
        {"b": second[0], "a": first[0]}, {"b": second[1], "a": first[1]}, 300, 1
    )
    assert forward == backward


# --- many tests ------------------------------------------------------------------------------

PVALUES = [
    [0.00066, 0.01054, 0.00409, 0.02863, 0.09889, 0.00324, 1.0],
    [0.5],
    [0.01, 0.01, 0.04, 0.03, 0.04],
    list(np.random.default_rng(3).uniform(size=40) ** 3),
]


@pytest.mark.parametrize("pvalues", PVALUES)
def test_holm_equals_statsmodels(pvalues):
    expected = multipletests(pvalues, method="holm")[1]
    np.testing.assert_allclose(holm(pvalues), expected, rtol=1e-12)


@pytest.mark.parametrize("pvalues", PVALUES)
def test_benjamini_hochberg_equals_statsmodels(pvalues):
    expected = multipletests(pvalues, method="fdr_bh")[1]
    np.testing.assert_allclose(benjamini_hochberg(pvalues), expected, rtol=1e-12)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.2])
def test_adjusting_refuses_what_is_not_a_p_value(adjust, wrong):
    with pytest.raises(ValueError, match="p-values"):
        adjust([0.1, wrong])


# --- power and the choice of alpha -----------------------------------------------------------


def test_minimum_detectable_effect_by_hand():
    # (1.959964 + 0.841621) sqrt(psi / 540), in percentage points
    assert 100 * minimum_detectable_effect(540, 0.2) == pytest.approx(5.3917, abs=1e-4)
    assert 100 * minimum_detectable_effect(540, 0.3) == pytest.approx(6.6034, abs=1e-4)


def test_minimum_detectable_effect_is_found_about_80_times_in_100():
    n, psi = 2000, 0.2
    effect = minimum_detectable_effect(n, psi)
    generator = np.random.default_rng(8)
    m = generator.binomial(n, psi, size=1000)
    b = generator.binomial(m, 0.5 * (1 + effect / psi))
    found = np.mean([mcnemar_midp(x, y - x) < 0.05 for x, y in zip(b, m, strict=True)])
    assert 0.76 <= found <= 0.84


def test_alpha_of_the_highest_accuracy_is_chosen_over_added_up_rows():
    frame = pd.DataFrame(
        {"alpha": [0.4, 0.8, 0.4, 0.8], "n": [10, 10, 50, 50], "correct": [9, 5, 20, 25]}
    )
    assert choose_alpha(frame) == 0.8  # 30 against 29 of 60


def test_tied_alphas_go_to_the_smaller_one_in_any_order_of_rows():
    frame = pd.DataFrame({"alpha": [1.0, 0.6, 0.8], "n": 50, "correct": [30, 29, 30]})
    assert choose_alpha(frame) == 0.8
    assert choose_alpha(frame[::-1]) == 0.8


def test_alphas_asked_unequal_numbers_of_problems_are_refused():
    frame = pd.DataFrame({"alpha": [0.4, 0.8], "n": [50, 49], "correct": [20, 25]})
    with pytest.raises(ValueError, match=r"0\.4: 50, 0\.8: 49"):
        choose_alpha(frame)


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
