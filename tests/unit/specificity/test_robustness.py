"""Robustness of SP: uniform nulls, resampling by brute force, and other choices by hand."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.selection.select import select
from stethoscope.specificity.choice import Choice, chance_jaccard, jaccard
from stethoscope.specificity.resampling import (
    DenseSums,
    bootstrapped,
    cross_fitted_sp,
    halved,
    permuted,
    resampled_sp,
)
from stethoscope.specificity.robustness import (
    familywise_p,
    order_p,
    permutation_p,
    reaches,
    robustness,
)
from stethoscope.specificity.scores import Scoring, feature_scores, specificity_table
from stethoscope.specificity.sensitivity import other_mean, sensitivity_tables

NAMES = ["number_theory", "algebra", "geometry"]
SCORING = Scoring(0.05, "mean_active", smoothing_quantile=0.8, threshold=1.0)


def sums_of(values, subjects, tokens=1) -> ProblemSums:
    """Problem sums from (problems, features) sums; a feature fires once or twice a problem."""
    rows, columns = np.nonzero(values)
    return ProblemSums(
        indptr=np.searchsorted(rows, np.arange(len(values) + 1)),
        indices=columns,
        sums=values[rows, columns],
        fires=1 + (rows + columns) % 2,
        maxima=values[rows, columns],
        tokens=np.full(len(values), tokens),
        subjects=np.asarray(subjects),
        n_features=values.shape[1],
    )


def problems_of(sums: ProblemSums, order) -> ProblemSums:
    """The sums of some problems, some of them several times: another way to resample."""
    entries = [np.arange(sums.indptr[p], sums.indptr[p + 1]) for p in order]
    flat = np.concatenate(entries)
    return ProblemSums(
        indptr=np.cumsum([0, *map(len, entries)]),
        indices=sums.indices[flat],
        sums=sums.sums[flat],
        fires=sums.fires[flat],
        maxima=sums.maxima[flat],
        tokens=sums.tokens[order],
        subjects=sums.subjects[order],
        n_features=sums.n_features,
    )


def noise(generator, subjects, n_features=12, share=0.5):
    """Activations that know nothing of the subject."""
    shape = (len(subjects), n_features)
    return generator.exponential(size=shape) * (generator.random(shape) < share)


def sp_of(sums, scoring=SCORING, target=0, n_subjects=3):
    return [score.max() for score in feature_scores(sums, target, n_subjects, scoring)]


@pytest.fixture(scope="module")
def layers():
    """Four layers over 3 subjects of 5, 6 and 8 problems; layer 2 knows the first subject."""
    generator = np.random.default_rng(7)
    subjects = generator.permutation(np.repeat([0, 1, 2], [5, 6, 8]))
    values = {layer: noise(generator, subjects) * (layer + 1) for layer in range(4)}
    values[2][subjects == 0, 4] += 20
    return {layer: sums_of(array, subjects, tokens=3) for layer, array in values.items()}


def robust(layers, **changes):
    settings = {"resamples": 60, "splits": 8, "seed": 3, "at_least": 4.0, "epsilons": [0.01, 1.0]}
    settings |= {"scoring": SCORING, "choice": Choice(top=2)} | changes
    return robustness(layers, "number_theory", NAMES, **settings)


def measures(found):
    return found.measures.set_index("measure")["value"]


def test_on_data_without_a_subject_the_permutation_p_values_are_uniform():
    generator = np.random.default_rng(11)
    subjects = np.repeat([0, 1, 2], [8, 10, 12])
    p_values, any_layer = [], []
    for replicate in range(500):
        null = permuted(subjects, 0, 3, 99, replicate)
        data = [sums_of(noise(generator, subjects), subjects) for _ in range(3)]
        scores = [resampled_sp(DenseSums.of(sums), null, 3, SCORING) for sums in data]
        observed = np.array([sp_of(sums) for sums in data])
        for which in range(2):
            drawn = np.stack([score[:, which] for score in scores], axis=1)
            p_values.append(permutation_p(observed[:, which], drawn))
            any_layer.append(familywise_p(observed[:, which], drawn).min() <= 0.05)
    for which in range(2):  # eq. (1) and smoothed
        found = np.concatenate(p_values[which::2])
        assert set(np.round(found * 100, 9)) <= set(range(1, 101))
        # Spread evenly within each step of 1/100, a uniform discrete p is a continuous one.
        spread = found - generator.random(found.size) / 100
        assert stats.kstest(spread, "uniform").pvalue > 0.01
        assert 0.035 <= (found <= 0.05).mean() <= 0.065
        assert np.mean(any_layer[which::2]) <= 0.08


def test_a_planted_feature_has_the_smallest_p_and_a_cross_fitted_sp_near_its_sp(layers):
    table = robust(layers).layers.set_index("layer")
    assert table.loc[2, "sp_p"] == table.loc[2, "sp_p_familywise"] == pytest.approx(1 / 61)
    assert table.loc[2, "sp"] > 2 * table.loc[2, "sp_null_95"]
    assert table.loc[2, "sp_cross_fitted"] == pytest.approx(table.loc[2, "sp"], rel=0.3)
    assert table.loc[2, "frequency"] == 1
    assert (table.loc[[0, 1, 3], "sp_p_familywise"] > 0.05).all()


def test_on_noise_the_cross_fitted_sp_is_near_1_and_far_below_the_plain_one():
    generator = np.random.default_rng(2)
    subjects = np.repeat(np.arange(7), 40)
    scoring = Scoring(0.001, "mean_active", 0.9, 1)
    crossed, whole = [], []
    for replicate in range(20):
        sums = sums_of(noise(generator, subjects, n_features=400, share=0.2), subjects)
        halves = halved(subjects, 0, 7, 20, replicate)
        crossed.append(cross_fitted_sp(DenseSums.of(sums), halves, 7, scoring)[0].mean())
        whole.append(sp_of(sums, scoring, n_subjects=7)[0])
    # Slightly above 1: the mean of 1/x is above 1 over the mean of x.
    assert np.mean(crossed) == pytest.approx(1, abs=0.15)
    assert min(whole) > 1.8 and np.mean(whole) > 2


@pytest.mark.parametrize("score", ["sp", "sp_smooth"])
@pytest.mark.parametrize("unit", ["mean_active", "raw"])
def test_selection_frequencies_are_those_of_a_loop_over_resampled_problems(layers, unit, score):
    scoring = Scoring(0.05, unit, 0.8, 1)
    subjects = layers[0].subjects
    counts = bootstrapped(subjects, 0, 3, 60, seed=3).counts.astype(int)
    times, profiles = np.zeros(4), []
    for row in counts:
        order = np.repeat(np.arange(len(subjects)), row)
        assert np.bincount(subjects[order]).tolist() == [5, 6, 8]
        values = [sp_of(problems_of(layers[layer], order), scoring) for layer in range(4)]
        profiles.append([value[score == "sp_smooth"] for value in values])
        table = pd.DataFrame({"layer": range(4), score: profiles[-1]})
        times[select("specificity", 4, sp_table=table, score=score, top=2)] += 1
    found = robust(layers, scoring=scoring, choice=Choice(score, top=2)).layers
    assert found["frequency"].tolist() == pytest.approx(times / 60)
    bounds = np.percentile(profiles, [2.5, 97.5], axis=0)
    np.testing.assert_allclose(found[[f"{score}_low", f"{score}_high"]].T, bounds, rtol=1e-5)


def test_a_permutation_relabels_whole_problems_and_keeps_the_sizes(layers):
    subjects = layers[0].subjects
    null = permuted(subjects, 0, 3, 20, seed=5)
    scores = resampled_sp(DenseSums.of(layers[1]), null, 3, SCORING)
    seen = set()
    for row in range(20):
        # Sizes are 5, 6 and 8, so that a weight tells the label: 1/5, 1/2/6 or 1/2/8.
        labels = np.where(null.target[row] > 0, 0, np.where(null.others[row] > 0.07, 1, 2))
        assert np.bincount(labels).tolist() == [5, 6, 8]
        seen.add(tuple(labels))
        relabelled = ProblemSums(**{**vars(layers[1]), "subjects": labels})
        assert scores[row] == pytest.approx(sp_of(relabelled), rel=1e-5)
    assert len(seen) == 20


def test_halves_share_no_problem_and_the_feature_comes_from_the_other_half(layers):
    subjects = layers[0].subjects
    first, second = halved(subjects, 0, 3, 10, seed=4)
    across, plain = cross_fitted_sp(DenseSums.of(layers[3]), (first, second), 3, SCORING)
    for row in range(10):
        halves = [np.flatnonzero(half.counts[row]) for half in (first, second)]
        assert sorted(np.concatenate(halves)) == list(range(19))
        assert np.bincount(subjects[halves[0]]).tolist() == [2, 3, 4]
        scores = [feature_scores(problems_of(layers[3], half), 0, 3, SCORING)[0] for half in halves]
        crossed = [scores[1][scores[0].argmax()], scores[0][scores[1].argmax()]]
        assert across[row] == pytest.approx(crossed, rel=1e-5)
        assert plain[row] == pytest.approx([score.max() for score in scores], rel=1e-5)


def test_sp_stands_in_the_table_as_the_sp_table_has_it(layers):
    found = robust(layers).layers
    scores = {layer: feature_scores(layers[layer], 0, 3, SCORING) for layer in layers}
    table = specificity_table(scores, threshold=1.0)
    assert found[["layer", "sp", "sp_smooth"]].equals(table[["layer", "sp", "sp_smooth"]])
    assert found.loc[found["selected"] == 1, "layer"].tolist() == select(
        "specificity", 4, sp_table=table, top=2
    )


def test_p_counts_the_observed_arrangement_itself():
    null = np.array([[1.0, 5.0], [2.0, 1.0], [3.0, 1.0], [4.0, 1.0]])
    observed = np.array([2.5, 5.0])
    assert permutation_p(observed, null).tolist() == [3 / 5, 2 / 5]
    # Largest of each permutation: 5, 2, 3, 4.
    assert familywise_p(observed, null).tolist() == [4 / 5, 2 / 5]


def test_a_score_that_differs_by_rounding_alone_reaches_the_bound():
    assert reaches(np.array([np.float32(0.1)]), 0.1).all()
    assert not reaches(np.array([0.0999]), 0.1).any()


# Two layers, three subjects, two features: means by hand.
MEANS = {
    0: np.array([[4.0, 1.0], [1.0, 1.0], [3.0, 0.0]]),
    1: np.array([[2.0, 6.0], [0.0, 2.0], [2.0, 2.0]]),
}


def test_denominators_leave_one_subject_out_or_take_the_largest():
    assert other_mean(MEANS[0], 0).tolist() == [2.0, 0.5]
    assert other_mean(MEANS[0], 0, without=1).tolist() == [3.0, 0.0]
    assert other_mean(MEANS[0], 0, without=2).tolist() == [1.0, 1.0]
    assert other_mean(MEANS[0], 0, largest=True).tolist() == [3.0, 1.0]


def test_leaving_a_subject_out_gives_the_sp_worked_out_by_hand():
    scoring = Scoring(1.0, "raw", 0.5, 1)
    active = np.array([1.0, 2.0])
    rows, profiles = sensitivity_tables(
        MEANS, active, "number_theory", NAMES, scoring, Choice(top=1), [1.0]
    )
    sp = {
        denominator: group["sp"].tolist()
        for (unit, denominator), group in profiles.groupby(["unit", "denominator"])
        if unit == "raw"
    }
    assert sp == {
        "mean": [4 / 3, 2.0],  # layer 0: 4/3, 1/1.5; layer 1: 2/2, 6/3
        "mean without algebra": [1.0, 2.0],  # 4/4, 1/1; 2/3, 6/3
        "mean without geometry": [2.0, 2.0],  # 4/2, 1/2; 2/1, 6/3
        "largest": [1.0, 2.0],  # 4/4, 1/2; 2/3, 6/3
    }
    rows = rows.set_index(["unit", "denominator"])
    assert rows.loc[("raw", "mean"), "configured"] == 1 and rows["configured"].sum() == 1
    assert rows["layers"].to_dict()[("raw", "mean")] == "1"
    # Without geometry the layers are equal and the earlier one is taken.
    assert rows["layers"].to_dict()[("raw", "mean without geometry")] == "0"
    assert rows["jaccard"].to_dict()[("raw", "mean without geometry")] == 0
    # In multiples of the mean active value: layer 1 has (3 / (1 + 1)) = 1.5.
    own = profiles[profiles["unit"] == "mean_active"]["sp"].tolist()
    assert own == pytest.approx([4 / 3, 1.5])


def test_the_grid_is_what_scoring_again_gives(layers):
    found = robust(layers, epsilons=[0.001, 0.3])
    grid = found.profiles[found.profiles["denominator"] == "mean"]
    assert set(grid["epsilon"]) == {0.001, 0.05, 0.3} and len(grid) == 3 * 2 * 4
    for row in grid.itertuples():
        scoring = Scoring(row.epsilon, row.unit, 0.8, 1)
        assert row.sp == pytest.approx(sp_of(layers[row.layer], scoring)[0], rel=1e-12)
    sp = found.layers["sp"].to_numpy()
    for row in found.sensitivity.itertuples():
        same = found.profiles[
            (found.profiles["epsilon"] == row.epsilon)
            & (found.profiles["unit"] == row.unit)
            & (found.profiles["denominator"] == row.denominator)
        ]
        assert row.spearman == pytest.approx(stats.spearmanr(same["sp"], sp).statistic)
        table = same[["layer", "sp"]].reset_index(drop=True)
        assert row.layers == ",".join(map(str, select("specificity", 4, sp_table=table, top=2)))
        assert (row.sp_lowest, row.sp_highest) == (same["sp"].min(), same["sp"].max())


def test_the_p_of_an_order_is_that_of_all_orders():
    depth, profile = np.arange(6), np.array([1.0, 3, 2, 4, 6, 5])
    rho = stats.spearmanr(depth, profile).statistic
    orders = [stats.spearmanr(depth, order).statistic for order in permutations(profile)]
    exact = np.mean(np.abs(orders) >= abs(rho) - 1e-9)
    assert order_p(depth, profile, 4000, seed=1) == pytest.approx(exact, abs=0.012)
    assert order_p(depth, -profile, 4000, seed=1) == pytest.approx(exact, abs=0.012)


def test_jaccard_counts_shared_layers_and_chance_is_the_mean_over_all_sets():
    a, b = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert jaccard(a, b) == pytest.approx(1 / 3)
    assert (jaccard(a, a), jaccard(~a & a, ~b & b), jaccard(a, ~a)) == (1, 1, 0)
    mine = {0, 1, 2}
    sets = [set(found) for found in combinations(range(8), 4)]
    mean = np.mean([len(mine & found) / len(mine | found) for found in sets])
    assert chance_jaccard(8, 3, 4) == pytest.approx(mean)


def test_the_null_is_compared_with_the_published_threshold_and_the_studys_cutoff(layers):
    found = robust(layers, at_least=1.5)
    sp = found.layers["sp"]
    draws = permuted(layers[0].subjects, 0, 3, 60, seed=3)
    scores = [resampled_sp(DenseSums.of(layers[k]), draws, 3, SCORING) for k in range(4)]
    null = np.stack([score[:, 0] for score in scores], axis=1)
    values = measures(found)
    assert values["cutoff"] == pytest.approx(sorted(sp)[-2])
    assert values["cutoff_reached_by_null"] == np.mean((null >= values["cutoff"]).any(axis=1))
    assert values["published_reached_by_null"] == np.mean((null >= 1.5).any(axis=1))
    assert values["published_layers_in_null"] == pytest.approx((null >= 1.5).sum() / 60)
    assert values["published_layers"] == (sp >= 1.5).sum()
    assert values["familywise_95"] == pytest.approx(np.percentile(null.max(axis=1), 95))
    by_threshold = robust(layers, choice=Choice(at_least=2.5))
    assert measures(by_threshold)["cutoff"] == 2.5


def test_the_same_seed_gives_the_same_tables_and_another_seed_others(layers):
    first, same, other = robust(layers), robust(layers), robust(layers, seed=4)
    for name in ("layers", "measures", "sensitivity", "profiles"):
        assert getattr(first, name).equals(getattr(same, name))
    assert not first.layers["frequency"].equals(other.layers["frequency"])
    assert first.layers["sp"].equals(other.layers["sp"])


def test_a_subject_with_one_problem_cannot_be_halved():
    with pytest.raises(ValueError, match="subject 1 has 1 problems, expected two or more"):
        halved(np.array([0, 0, 1]), 0, 2, 3, seed=0)


def test_layers_of_different_problems_are_refused(layers):
    mixed = {**layers, 1: problems_of(layers[1], np.arange(18, -1, -1))}
    with pytest.raises(ValueError, match="layer 1 is of other problems"):
        robust(mixed)
