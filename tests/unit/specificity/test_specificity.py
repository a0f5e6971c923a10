"""Specificity: eqs. (1) and (2) by hand, and what must not change them."""

import numpy as np
import pytest
import torch

from stethoscope.problems.records import completion, prompt
from stethoscope.saes.activations import sum_by_problem
from stethoscope.saes.formats import Encoder
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.saes.residuals import residuals
from stethoscope.specificity.scores import (
    Scoring,
    feature_scores,
    layer_specificity,
    most_specific_features,
    smoothed_specificity,
    specificity,
    specificity_table,
    subject_means,
)


def problem_sums(activations: list[np.ndarray], subjects: list[int]) -> ProblemSums:
    """Sums of (tokens, features) activations, one array a problem."""
    sums = np.array([a.sum(axis=0) for a in activations])
    rows, columns = sums.nonzero()
    return ProblemSums(
        indptr=np.searchsorted(rows, np.arange(len(sums) + 1)),
        indices=columns,
        sums=sums[rows, columns],
        fires=np.array([(a > 0).sum(axis=0) for a in activations])[rows, columns],
        maxima=np.array([a.max(axis=0) for a in activations])[rows, columns],
        tokens=np.array([len(a) for a in activations]),
        subjects=np.array(subjects),
        n_features=sums.shape[1],
    )


# Subject 0 has two problems of 2 and 4 tokens, subjects 1 and 2 have three and one.
ACTIVATIONS = [
    np.array([[4.0, 0, 0], [0, 2, 0]]),  # token means 2, 1, 0
    np.array([[4.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 4, 0]]),  # 1, 1, 0
    np.array([[0, 3.0, 0]]),  # 0, 3, 0
    np.array([[0, 0, 0], [1.0, 6, 0]]),  # 0.5, 3, 0
    np.array([[1.0, 0, 0]]),  # 1, 0, 0
    np.array([[0, 0, 0.0], [0, 4, 0]]),  # 0, 2, 0
]
SUBJECTS = [0, 0, 1, 1, 1, 2]


@pytest.fixture
def sums():
    return problem_sums(ACTIVATIONS, SUBJECTS)


@pytest.fixture
def large():
    """40 problems of 3 subjects, 6 features; feature 4 fires ten times harder on subject 1."""
    generator = np.random.default_rng(5)
    subjects = [number % 3 for number in range(40)]
    activations = []
    for subject in subjects:
        a = generator.exponential(size=(generator.integers(3, 9), 6))
        a *= generator.random(a.shape) < 0.5
        if subject == 1:
            a[:, 4] *= 10
        activations.append(a)
    return activations, subjects


def test_eq_1_is_the_ratio_with_epsilon_in_the_denominator_only():
    scores = specificity(np.array([3.0, 0.5, 0.0]), np.array([1.0, 0.0, 2.0]), epsilon=0.5)
    assert scores.tolist() == [2.0, 1.0, 0.0]


def test_eq_2_is_the_largest_feature_and_names_it():
    assert layer_specificity(np.array([1.0, 7.5, 2.0])) == (7.5, 1)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan")])
def test_an_epsilon_that_is_not_above_zero_is_refused(epsilon):
    with pytest.raises(ValueError, match="specificity.epsilon"):
        specificity(np.ones(1), np.ones(1), epsilon)


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_a_mean_that_is_negative_or_not_finite_is_refused(bad):
    for score in (specificity, smoothed_specificity):
        for target, other in ((bad, 1.0), (1.0, bad)):
            with pytest.raises(ValueError, match="negative or not finite"):
                score(np.array([target]), np.array([other]), 0.1)


def test_smoothing_adds_the_same_to_both_sides():
    scores = smoothed_specificity(np.array([3.0, 0.0]), np.array([1.0, 0.0]), smoothing=1.0)
    assert scores.tolist() == [2.0, 1.0]


def test_a_subject_mean_weighs_each_problem_the_same_however_long_it_is(sums):
    means = subject_means(sums, 3)
    assert means.tolist() == [[1.5, 1.0, 0.0], [0.5, 2.0, 0.0], [0.0, 2.0, 0.0]]


def test_the_others_are_a_macro_mean_over_subjects_not_over_problems(sums):
    scores, _ = feature_scores(sums, 0, 3, Scoring(0.25, "raw", 0.5, 1))
    # Over subjects, feature 0 has (0.5 + 0) / 2 = 0.25; over problems it would have 0.375.
    assert scores.tolist() == pytest.approx([1.5 / 0.5, 1.0 / 2.25, 0.0])


def test_the_smoothing_is_a_quantile_of_the_means_of_features_that_fire(sums):
    _, smooth = feature_scores(sums, 0, 3, Scoring(0.25, "raw", 0.5, 1))
    s = (2.0 / 3 + 5.0 / 3) / 2  # features 0 and 1; feature 2 never fires
    assert smooth.tolist() == pytest.approx([(1.5 + s) / (0.25 + s), (1 + s) / (2 + s), 1.0])


def test_the_unit_mean_active_divides_by_the_mean_of_the_activations_above_zero(sums):
    everything = np.concatenate([a.ravel() for a in ACTIVATIONS])
    unit = everything[everything > 0].mean()
    assert sums.mean_active_value() == pytest.approx(unit)
    scores, _ = feature_scores(sums, 0, 3, Scoring(0.01, "mean_active", 0.5, 1))
    assert scores[0] == pytest.approx((1.5 / unit) / (0.25 / unit + 0.01))


def test_scaling_all_activations_changes_nothing_in_units_of_the_mean_active_value(large):
    activations, subjects = large
    one = problem_sums(activations, subjects)
    ten = problem_sums([10 * a for a in activations], subjects)
    scoring = Scoring(0.1, "mean_active", 0.5, 1)
    for a, b in zip(*(feature_scores(sums, 1, 3, scoring) for sums in (one, ten)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_scaling_all_activations_changes_raw_specificity_unless_epsilon_scales_too(large):
    activations, subjects = large
    one = problem_sums(activations, subjects)
    ten = problem_sums([10 * a for a in activations], subjects)

    def raw(sums, epsilon):
        return feature_scores(sums, 1, 3, Scoring(epsilon, "raw", 0.5, 1))[0]

    np.testing.assert_allclose(raw(one, 0.1), raw(ten, 1.0), rtol=1e-12)
    assert np.abs(raw(one, 0.1) - raw(ten, 0.1)).min() > 1e-3


def test_a_planted_feature_is_found_in_its_subject_only(large):
    activations, subjects = large
    sums = problem_sums(activations, subjects)
    for target in range(3):
        scores, smooth = feature_scores(sums, target, 3, Scoring(0.01, "mean_active", 0.5, 1))
        found = layer_specificity(scores)[0] > 5, layer_specificity(smooth)[0] > 2
        assert found == (target == 1, target == 1)
    scores, smooth = feature_scores(sums, 1, 3, Scoring(0.01, "mean_active", 0.5, 1))
    assert scores.argmax() == smooth.argmax() == 4


def test_the_table_has_a_row_a_layer_and_counts_features_above_the_threshold():
    layers = {
        1: (np.array([0.5, 3.0, 1.0]), np.array([1.0, 1.1, 1.2])),
        0: (np.array([2.0, 1.5, 1.0]), np.array([1.6, 1.2, 1.1])),
    }
    table = specificity_table(layers, threshold=1.0)
    assert table.columns.tolist() == [
        "layer", "sp", "n_features", "feature", "sp_smooth", "feature_smooth",
    ]  # fmt: skip
    # A feature at the threshold is not above it.
    assert table.values.tolist() == [[0, 2.0, 2, 0, 1.6, 0], [1, 3.0, 1, 1, 1.2, 2]]


def test_the_most_specific_features_come_best_first_and_ties_by_number():
    layers = {3: (np.array([1.0, 4.0, 2.0, 4.0]), np.array([0.1, 0.2, 0.3, 0.4]))}
    table = most_specific_features(layers, count=3)
    assert table.values.tolist() == [[3, 1, 1, 4.0, 0.2], [3, 2, 3, 4.0, 0.4], [3, 3, 2, 2.0, 0.3]]


def test_sums_come_back_from_a_file_as_they_were(sums, tmp_path):
    sums.save(tmp_path / "one.safetensors")
    loaded = ProblemSums.load(tmp_path / "one.safetensors")
    for name in sums.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(sums, name))
        if name != "n_features":
            assert getattr(loaded, name).dtype == getattr(sums, name).dtype
    loaded.save(tmp_path / "two.safetensors")
    first, second = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("one", "two"))
    assert first == second


def test_a_subject_without_problems_is_an_error_that_says_which(sums):
    with pytest.raises(ValueError, match="subject 3 has no problem"):
        subject_means(sums, 4)


def test_a_layer_whose_features_never_fire_is_an_error_of_one_line():
    dead = problem_sums([np.zeros((2, 3))] * 2, [0, 1])
    with pytest.raises(ValueError, match="no feature fires"):
        feature_scores(dead, 0, 2, Scoring(0.01, "mean_active", 0.9, 1))


def test_sp_does_not_depend_on_the_order_of_the_texts_or_their_padding(tiny, problems):
    generator = torch.Generator().manual_seed(0)
    encoder = Encoder(
        torch.randn(32, 24, generator=generator).numpy(),
        np.zeros(24, np.float32),
        np.full(24, 1.0, np.float32),
    )
    texts = [prompt(record["problem"]) + completion(record["solution"]) for record in problems[:24]]
    subjects = [number % 2 for number in range(24)]

    def sp(order):
        batches = residuals(tiny.model, tiny.tokenizer, [texts[i] for i in order])
        streams = [(rows, layers[1]) for rows, layers in batches]
        sums = sum_by_problem(streams, [subjects[i] for i in order], encoder)
        return feature_scores(sums, 0, 2, Scoring(0.01, "mean_active", 0.9, 1))

    reference = sp(range(24))
    assert reference[0].max() > 0
    by_length = sorted(range(24), key=lambda i: len(texts[i]))
    for order in (range(23, -1, -1), by_length):
        for a, b in zip(reference, sp(order), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
