"""Correlations against scipy, and the table that a search's configurations end in."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stethoscope.correlation import correlation_interval, correlation_p, pearson, spearman
from stethoscope.statistics.correlations import correlations_table, search_table


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n", [4, 8, 40])
def test_correlations_are_those_of_scipy(seed, n):
    generator = np.random.default_rng(seed)
    first = generator.normal(size=n)
    second = np.round(first * generator.uniform(-1, 1) + generator.normal(size=n), seed % 2)
    expected = stats.pearsonr(first, second)
    r = pearson(first, second)
    assert r == pytest.approx(expected.statistic, abs=1e-12)
    assert correlation_p(r, n) == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert correlation_interval(r, n) == pytest.approx((interval.low, interval.high), abs=1e-12)
    expected = stats.spearmanr(first, second)
    rho = spearman(first, second)
    assert rho == pytest.approx(expected.statistic, abs=1e-12)
    assert correlation_p(rho, n) == pytest.approx(expected.pvalue, rel=1e-9)


def test_many_correlations_at_once_are_those_one_by_one_ties_included():
    first, second = np.random.default_rng(1).integers(0, 5, size=(2, 30, 9))
    expected = [stats.spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
    assert spearman(first, second) == pytest.approx(expected)
    assert spearman(first[0], second)[0] == spearman(first[0], second[0])


def test_too_few_or_constant_values_have_no_correlation():
    assert np.isnan(pearson([1, 1, 1], [1, 2, 3])) and np.isnan(spearman([1, 2], [5, 5]))
    assert np.isnan(pearson([1], [2]))
    assert pearson([1, 2], [5, 3]) == -1 and np.isnan(correlation_p(-1.0, 2))
    assert correlation_p(1.0, 3) == 0
    assert np.isnan(correlation_interval(0.5, 3)).all()
    assert correlation_interval(-1.0, 9) == (-1, -1)
    assert np.isnan(correlation_interval(float("nan"), 9)).all()


def test_the_interval_holds_the_true_correlation_at_its_level():
    generator, rho, held = np.random.default_rng(1), 0.6, 0
    for _ in range(2000):
        first = generator.normal(size=10)
        second = rho * first + (1 - rho**2) ** 0.5 * generator.normal(size=10)
        low, high = correlation_interval(pearson(first, second), 10)
        held += low < rho < high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def rows(seed: int, perplexities, validation, test) -> list[dict]:
    return [
        {
            "seed": seed,
            "search": "nt",
            "edit": f"cma-{number}",
            "perplexity": perplexity,
            "n_validation": 10,
            "accuracy_validation": seen,
            "n_test": 20,
            "accuracy_test": unseen,
        }
        for number, (perplexity, seen, unseen) in enumerate(
            zip(perplexities, validation, test, strict=True), start=1
        )
    ]


def test_each_seed_search_and_split_has_its_own_correlation():
    first = rows(1, [1.1, 1.2, 1.3, 1.5], [0.9, 0.7, 0.8, 0.1], [0.5, 0.6, 0.4, 0.5])
    second = rows(2, [2.1, 2.2, 2.3, 2.5], [0.1, 0.2, 0.3, 0.3], [0.3, 0.3, 0.3, 0.3])
    correlations = correlations_table(search_table(first + second))
    assert correlations["seed"].tolist() == [1, 1, 2, 2]
    assert correlations["split"].tolist() == ["validation", "test"] * 2
    assert correlations["n"].tolist() == [4] * 4
    expected = stats.pearsonr([1.1, 1.2, 1.3, 1.5], [0.9, 0.7, 0.8, 0.1])
    assert correlations["r"][0] == pytest.approx(expected.statistic, abs=1e-12)
    assert correlations["p"][0] == pytest.approx(expected.pvalue, rel=1e-9)
    assert correlations["lowest_is_most_accurate"].tolist() == [1, 0, 0, 1]
    assert np.isnan(correlations["r"][3]) and np.isnan(correlations["p_rho"][3])


def test_a_study_without_searches_has_empty_tables_with_their_columns():
    table = search_table([])
    assert table.empty and list(table)[:4] == ["seed", "search", "edit", "perplexity"]
    correlations = correlations_table(table)
    assert correlations.empty and isinstance(correlations, pd.DataFrame)
    assert list(correlations)[:5] == ["seed", "search", "split", "n", "r"]
