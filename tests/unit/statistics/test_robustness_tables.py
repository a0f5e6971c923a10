"""The rules that pick the answers to the questions to SP."""

import pytest

from stethoscope.statistics.summaries.robustness import how_many, kept, steadiness, trend


@pytest.mark.parametrize(
    ("low", "high", "p", "answer"),
    [
        (0.2, 0.8, 0.01, "above"),
        (-0.8, -0.2, 0.05, "below"),
        (-0.1, 0.8, 0.01, "none"),
        (0.2, 0.8, 0.2, "none"),
    ],
)
def test_a_trend_over_layers_needs_both_an_interval_and_an_order(low, high, p, answer):
    assert trend(low, high, p) == answer


@pytest.mark.parametrize(("overlap", "answer"), [(0.8, "above"), (0.6, "none"), (0.4, "below")])
def test_a_set_is_stable_by_its_mean_overlap(overlap, answer):
    assert steadiness(overlap) == answer


@pytest.mark.parametrize(
    ("plain", "cross_fitted", "answer"), [(5, 4, "above"), (5, 3, "none"), (5, 1, "below")]
)
def test_what_cross_fitting_leaves_of_sp(plain, cross_fitted, answer):
    assert kept(plain, cross_fitted) == answer


def test_all_some_or_none():
    assert [how_many(count, 3) for count in (3, 1, 0)] == ["all", "some", "none"]
