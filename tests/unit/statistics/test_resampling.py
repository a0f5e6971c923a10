"""Resampling against slow loops, scipy and data of known truth."""

import numpy as np
import pytest
from scipy import stats

from stethoscope.statistics.resampling import (
    BLOCK,
    bootstrap,
    flip_signs,
    optimism_of_choice,
    percentile_interval,
    sign_flips,
)


def gains_of(generator, problems, edits, gain=0.1, loss=0.1, shared=0.0):
    """Random gains; a problem has with chance `shared` the same gain for all edits."""
    chances = [loss, 1 - gain - loss, gain]
    own = generator.choice((-1, 0, 1), size=(problems, edits), p=chances)
    common = generator.choice((-1, 0, 1), size=(problems, 1), p=chances)
    return np.where(generator.random((problems, 1)) < shared, common, own)


# --- sign flips ------------------------------------------------------------------------------


def loop_over_flips(gains, flips, seed):
    """The step-down procedure by its definition, one flip and one edit at a time."""
    problems, edits = gains.shape

    def t(column, signs):
        norm = sum(int(g) ** 2 for g in column) ** 0.5
        return sum(s * g for s, g in zip(signs, column, strict=True)) / norm if norm else 0.0

    observed = [t(gains[:, j], [1] * problems) for j in range(edits)]
    drawn = [
        [abs(t(gains[:, j], signs)) for j in range(edits)]
        for block in flip_signs(problems, flips, seed)
        for signs in block.astype(int).tolist()
    ]
    order = sorted(range(edits), key=lambda j: -abs(observed[j]))
    alone, adjusted, before = [0.0] * edits, [0.0] * edits, 0.0
    for step, j in enumerate(order):
        bound = abs(observed[j]) - 1e-9
        alone[j] = (1 + sum(row[j] >= bound for row in drawn)) / (flips + 1)
        rest = order[step:]
        p = (1 + sum(max(row[k] for k in rest) >= bound for row in drawn)) / (flips + 1)
        before = adjusted[j] = max(before, p)
    return observed, alone, adjusted


@pytest.mark.parametrize("flips", [BLOCK - 1, BLOCK + 300])
def test_sign_flips_are_those_of_a_loop_over_flips_and_edits(flips):
    generator = np.random.default_rng(1)
    gains = gains_of(generator, problems=30, edits=5, gain=0.3, loss=0.1, shared=0.4)
    gains[:, 3] = 0  # an edit that changes nothing
    gains[:, 4] = gains[:, 0]  # and one that does the same as another
    result = sign_flips(gains, flips, seed=4)
    t, alone, adjusted = loop_over_flips(gains, flips, seed=4)
    np.testing.assert_allclose(result.t, t, atol=1e-10)
    np.testing.assert_allclose(result.p, alone, atol=1e-10)
    np.testing.assert_allclose(result.p_max, adjusted, atol=1e-10)
    assert result.p[3] == result.p_max[3] == 1.0
    assert result.p_max[4] == result.p_max[0]


def test_p_of_one_edit_is_near_that_of_all_flips_by_scipy_and_of_mcnemar():
    gains = np.repeat([1, -1, 0], [11, 3, 4])
    result = sign_flips(gains[:, None], flips=20000, seed=1)
    exact = stats.permutation_test(
        (gains,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    # Flipping the signs of 14 discordant problems is tossing 14 coins.
    assert exact == pytest.approx(stats.binomtest(3, 14).pvalue, rel=1e-9)
    assert result.p[0] == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20000) ** 0.5)
    assert result.p_max[0] == result.p[0]  # a family of one needs no correction


def test_corrected_p_is_never_below_the_own_and_keeps_the_order_of_t():
    gains = gains_of(np.random.default_rng(5), problems=200, edits=12, gain=0.16, shared=0.3)
    result = sign_flips(gains, flips=1000, seed=2)
    assert (result.p_max >= result.p).all()
    order = np.argsort(-np.abs(result.t))
    assert (np.diff(result.p_max[order]) >= 0).all()


def test_a_family_without_any_effect_is_rejected_about_once_in_20():
    generator = np.random.default_rng(6)
    smallest, alone = [], []
    for replicate in range(1500):
        gains = gains_of(generator, problems=80, edits=8, gain=0.15, loss=0.15, shared=0.5)
        result = sign_flips(gains, flips=199, seed=replicate)
        smallest.append(result.p_max.min())
        alone.append(result.p.min())
    rejected = np.mean(np.array(smallest) <= 0.05)
    assert 0.03 <= rejected <= 0.065
    assert np.mean(np.array(alone) <= 0.05) > 0.15  # without correction, much more often


def test_step_down_keeps_its_level_beside_an_edit_with_a_true_effect():
    generator = np.random.default_rng(7)
    wrong, found_true = [], []
    for replicate in range(800):
        gains = gains_of(generator, problems=100, edits=6, gain=0.15, loss=0.15)
        gains[:, 0] = generator.choice((-1, 0, 1), size=100, p=(0.05, 0.6, 0.35))
        result = sign_flips(gains, flips=199, seed=replicate)
        wrong.append((result.p_max[1:] <= 0.05).any())
        found_true.append(result.p_max[0] <= 0.05)
    assert 0.02 <= np.mean(wrong) <= 0.07
    assert np.mean(found_true) > 0.8


def test_flips_do_not_depend_on_which_edits_are_in_the_family():
    gains = gains_of(np.random.default_rng(8), problems=60, edits=4)
    whole, part = (sign_flips(g, flips=700, seed=3) for g in (gains, gains[:, :2]))
    np.testing.assert_array_equal(whole.p[:2], part.p)


@pytest.mark.parametrize("wrong", [np.zeros(5), np.full((4, 2), 2), np.full((4, 2), np.nan)])
def test_what_is_no_gain_is_refused(wrong):
    with pytest.raises(ValueError, match="gains must be problems x edits"):
        sign_flips(wrong, flips=10, seed=1)
    with pytest.raises(ValueError, match="gains must be problems x edits"):
        bootstrap({"algebra": wrong}, draws=10, seed=1)


# --- bootstrap -------------------------------------------------------------------------------


def loop_over_draws(values, draws, seed):
    """Resampled sums, one draw at a time, from the same random indices."""
    generator = np.random.default_rng(seed)
    sums = {}
    for subject in sorted(values):
        part, n = values[subject], len(values[subject])
        rows = []
        for start in range(0, draws, BLOCK):
            size = (min(BLOCK, draws - start), n)
            for indices in generator.integers(0, n, size=size):
                rows.append(sum(part[i].astype(int) for i in indices))
        sums[subject] = np.array(rows)
    return sums


def test_resampled_sums_are_those_of_a_loop_over_draws():
    generator = np.random.default_rng(9)
    values = {"geometry": gains_of(generator, 17, 3), "algebra": gains_of(generator, 9, 3)}
    result, expected = (of(values, BLOCK + 40, 5) for of in (bootstrap, loop_over_draws))
    assert list(result) == ["geometry", "algebra"]
    for subject in values:
        np.testing.assert_array_equal(result[subject], expected[subject])


def test_bootstrap_interval_is_near_that_of_scipy_on_the_same_answers():
    gains = gains_of(np.random.default_rng(10), problems=400, edits=1, gain=0.3)
    low, high = percentile_interval(bootstrap({"": gains}, 20000, 1)[""] / 400)
    expected = stats.bootstrap(
        (gains[:, 0],), np.mean, method="percentile", n_resamples=20000, random_state=2
    ).confidence_interval
    assert (low[0], high[0]) == pytest.approx(expected, abs=0.004)


def test_percentile_interval_sorts_and_interpolates_as_numpys_default_says():
    draws = np.random.default_rng(11).integers(-5, 9, size=101).astype(float)
    ordered = sorted(draws)
    expected = [ordered[int(at)] + (at % 1) * (ordered[int(at) + 1] - ordered[int(at)])
                for at in (2.5, 97.5)]  # fmt: skip
    np.testing.assert_allclose(percentile_interval(draws), expected, atol=1e-10)


def test_bootstrap_interval_covers_the_true_difference_about_95_times_in_100():
    generator = np.random.default_rng(12)
    covered = []
    for _ in range(40):
        # 50 edits of the same true difference, each with problems of its own.
        gains = gains_of(generator, problems=120, edits=50, gain=0.2, loss=0.1)
        low, high = percentile_interval(bootstrap({"": gains}, 400, 3)[""] / 120)
        covered += list((low <= 0.1) & (0.1 <= high))
    assert 0.92 <= np.mean(covered) <= 0.965


def test_resamples_keep_the_size_of_each_subject():
    # One subject gains on all its problems, the other on none: resampling within subjects
    # cannot vary, resampling over everything would.
    apart = {"algebra": np.zeros((30, 1)), "geometry": np.ones((10, 1))}
    assert set(sum(bootstrap(apart, 200, 1).values())[:, 0]) == {10.0}
    low, high = percentile_interval(bootstrap({"": np.concatenate([*apart.values()])}, 200, 1)[""])
    assert low < 10 < high


def test_every_edit_has_the_same_resamples_in_any_order_of_subjects():
    gains = gains_of(np.random.default_rng(13), problems=60, edits=1)
    result = bootstrap({"": np.hstack([gains, -gains])}, 300, 5)[""]
    np.testing.assert_array_equal(result[:, 0], -result[:, 1])
    parts = {"a": gains[:40], "b": gains[40:]}
    backward = bootstrap(dict(reversed(parts.items())), 300, 5)
    for subject, expected in bootstrap(parts, 300, 5).items():
        np.testing.assert_array_equal(backward[subject], expected)


# --- the choice of alpha ---------------------------------------------------------------------


def test_optimism_repeats_both_choices_in_each_draw_as_a_loop_does():
    generator = np.random.default_rng(14)
    validation = {s: generator.integers(0, 2, (n, 3)) for s, n in (("a", 8), ("b", 5))}
    test = {s: generator.integers(0, 2, (n, 3)) for s, n in (("a", 12), ("b", 7))}
    tried, read = (
        sum(loop_over_draws(part, 60, [9, which]).values())
        for which, part in enumerate((validation, test))
    )
    expected = []
    for right_on_validation, right_on_test in zip(tried, read, strict=True):
        chosen = next(j for j in range(3) if right_on_validation[j] == max(right_on_validation))
        expected.append((max(right_on_test) - right_on_test[chosen]) / 19)
    result = optimism_of_choice(validation, test, draws=60, seed=9)
    np.testing.assert_allclose(result, expected, atol=1e-10)
    assert (result >= 0).all() and (result > 0).any()


def test_a_choice_between_one_alpha_is_not_optimistic():
    answers = {"a": np.random.default_rng(15).integers(0, 2, (20, 1))}
    assert not optimism_of_choice(answers, answers, draws=50, seed=1).any()


def test_among_equal_alphas_a_choice_on_the_test_problems_seems_to_gain_what_chance_gives():
    # Seven alphas of the same accuracy .4, 300 problems, independent answers: the best of seven
    # normal numbers lies on average 1.352 standard errors above an alpha chosen elsewhere. The
    # bootstrap adds the noise of resampling, as much again: sqrt(2) times as much.
    generator = np.random.default_rng(16)
    result = []
    for replicate in range(60):
        answers = [{"a": (generator.random((300, 7)) < 0.4).astype(int)} for _ in range(2)]
        result.append(optimism_of_choice(*answers, draws=200, seed=replicate).mean())
    curse = 1.352 * (0.24 / 300) ** 0.5
    assert np.mean(result) == pytest.approx(2**0.5 * curse, rel=0.07)


def test_unequal_grids_are_refused():
    with pytest.raises(ValueError, match="2 alphas on validation, 3 on test"):
        optimism_of_choice({"a": np.zeros((4, 2))}, {"a": np.zeros((4, 3))}, draws=5, seed=1)
