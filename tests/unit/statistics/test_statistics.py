"""Promises of stethoscope.statistics.tests, each against a value worked out by other means."""

import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from stethoscope.statistics.tests import (
    benjamini_hochberg,
    holm,
    mcnemar_exact,
    minimum_detectable_effect,
    newcombe_interval,
    non_inferiority,
    paired_difference,
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


# --- power -----------------------------------------------------------


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
    result = np.mean([mcnemar_exact(x, y - x) < 0.05 for x, y in zip(b, m, strict=True)])
    assert 0.76 <= result <= 0.84


@pytest.mark.parametrize(("n", "discordance"), [(540, 0.2), (300, 0.07), (2100, 0.5)])
def test_minimum_detectable_effect_is_where_the_power_of_the_normal_test_is_80_percent(
    n, discordance
):
    def lacking(effect):
        return stats.norm.cdf(effect / np.sqrt(discordance / n) - stats.norm.isf(0.025)) - 0.8

    expected = optimize.brentq(lacking, 0, 1, xtol=1e-14, rtol=1e-14)
    assert minimum_detectable_effect(n, discordance) == pytest.approx(expected, abs=1e-10)


# --- not degraded ----------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.02, 0.03, "not inferior"),
        (-0.05, 0.03, "undecided"),  # the margin itself is not excluded
        (-0.09, 0.0, "undecided"),
        (-0.09, -0.01, "degraded"),
        (-0.03, -0.01, "degraded within margin"),
        (0.01, 0.05, "not inferior"),
    ],
)
def test_a_loss_is_excluded_by_an_interval_and_never_by_a_large_p(low, high, verdict):
    assert non_inferiority(low, high, margin=0.05) == verdict


def test_a_margin_of_nothing_and_an_interval_upside_down_are_refused():
    for low, high, margin in ((-0.1, 0.1, 0), (0.1, -0.1, 0.05)):
        with pytest.raises(ValueError, match="needs margin > 0, low <= high"):
            non_inferiority(low, high, margin)


# --- simulated data of which the truth is known ----------------------


def simulated(generator, n, b, c, times):
    """Counts (both, b, c, neither) of `times` experiments with these chances of b and c."""
    return generator.multinomial(n, [0.5 * (1 - b - c), b, c, 0.5 * (1 - b - c)], size=times)


def test_on_equal_edits_mcnemar_and_the_paired_interval_are_wrong_about_once_in_20():
    counts = simulated(np.random.default_rng(31), n=300, b=0.1, c=0.1, times=4000)
    rejected = np.mean([mcnemar_exact(b, c) <= 0.05 for _, b, c, _ in counts])
    assert 0.025 <= rejected <= 0.055  # exact, so at most the level, but for chance
    intervals = np.array([newcombe_interval(*row) for row in counts])
    missed = np.mean((intervals[:, 0] > 0) | (intervals[:, 1] < 0))
    assert 0.035 <= missed <= 0.06


def test_on_seven_equal_subjects_holm_is_wrong_about_once_in_20_and_uncorrected_much_more():
    counts = simulated(np.random.default_rng(32), n=300, b=0.1, c=0.1, times=7 * 2000)
    p = np.array([mcnemar_exact(b, c) for _, b, c, _ in counts]).reshape(-1, 7)
    assert np.mean((p <= 0.05).any(axis=1)) > 0.2
    wrong = np.mean([(holm(row) <= 0.05).any() for row in p])
    assert 0.01 <= wrong <= 0.06
    # With no true effect at all, a false discovery is a family-wise error.
    assert np.mean([(benjamini_hochberg(row) <= 0.05).any() for row in p]) <= 0.06


def test_an_edit_that_loses_exactly_the_margin_is_called_not_inferior_once_in_40():
    counts = simulated(np.random.default_rng(33), n=300, b=0.05, c=0.10, times=6000)
    result = [non_inferiority(*newcombe_interval(*row), margin=0.05) for row in counts]
    not_inferior = np.mean([v in ("not inferior", "degraded within margin") for v in result])
    assert 0.015 <= not_inferior <= 0.033


def test_pooled_and_lmeval_z_reject_equal_proportions_of_different_problems_once_in_20():
    generator = np.random.default_rng(34)
    for pooled in (True, False):
        pairs = generator.binomial(300, 0.4, size=(4000, 2))
        p = [two_proportion_z(a, 300, b, 300, pooled)[1] for a, b in pairs]
        assert 0.04 <= np.mean(np.array(p) <= 0.05) <= 0.06
