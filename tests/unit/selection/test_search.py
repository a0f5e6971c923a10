"""The search over alphas is CMA-ES, the same each time; what it keeps spans its perplexities."""

import numpy as np
import pandas as pd
import pytest

from stethoscope.selection.cma_search import SearchSettings, alpha_columns, keep, search
from stethoscope.task_vectors.delta import LowRank
from stethoscope.task_vectors.task_vector import TaskVector, scaled

OPTIMUM = np.array([0.2, 1.1, 0.7])
SETTINGS = SearchSettings(
    evaluations=200, population=8, sigma=0.3, start=0.5, bounds=(0, 2), seed=1
)


def bowl(alphas: np.ndarray) -> float:
    """Steeper in some directions than in others; 1 at the optimum."""
    return 1 + float(np.sum(np.array([1, 10, 3]) * (alphas - OPTIMUM) ** 2))


@pytest.fixture(scope="module")
def candidates():
    return search(bowl, 3, SETTINGS)


def alphas_of(table: pd.DataFrame) -> np.ndarray:
    return table[alpha_columns(3)].to_numpy()


def test_the_optimum_is_found(candidates):
    best = candidates.loc[candidates["perplexity"].idxmin()]
    assert alphas_of(candidates.loc[[best.name]])[0] == pytest.approx(OPTIMUM, abs=0.02)
    first = candidates[candidates["generation"] == 1]
    assert first["perplexity"].min() > best["perplexity"] + 0.05


def test_each_candidate_is_recorded_with_the_very_alphas_that_were_measured(candidates):
    assert [bowl(alphas) for alphas in alphas_of(candidates)] == candidates["perplexity"].tolist()
    assert candidates["candidate"].tolist() == list(range(1, 201))
    assert candidates["generation"].tolist() == [1 + place // 8 for place in range(200)]
    assert (np.round(alphas_of(candidates), 4) == alphas_of(candidates)).all()


def test_a_generation_that_was_begun_is_finished():
    short = SearchSettings(10, population=4, sigma=0.3, start=0.5, bounds=(0, 2), seed=1)
    assert search(bowl, 3, short)["generation"].tolist() == [1] * 4 + [2] * 4 + [3] * 4


def test_alphas_stay_within_their_bounds_where_the_optimum_is_outside():
    tight = SearchSettings(120, population=8, sigma=0.3, start=0.5, bounds=(0.4, 0.9), seed=1)
    found = search(bowl, 3, tight)
    assert 0.4 <= alphas_of(found).min() and alphas_of(found).max() <= 0.9
    best = alphas_of(found)[found["perplexity"].argmin()]
    assert best == pytest.approx([0.4, 0.9, 0.7], abs=0.03)


def test_a_search_is_the_same_each_time_and_another_with_another_seed(
    candidates, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    again = search(bowl, 3, SETTINGS)
    pd.testing.assert_frame_equal(again, candidates, check_exact=True)
    assert (np.random.get_state()[1] == before).all()  # the caller's own random numbers
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    other = SearchSettings(8, population=8, sigma=0.3, start=0.5, bounds=(0, 2), seed=2)
    assert not np.isclose(alphas_of(search(bowl, 3, other)), alphas_of(again)[:8]).any()


def test_a_fitness_that_is_no_number_is_refused_with_its_alphas():
    with pytest.raises(ValueError, match=r"fitness nan of the alphas \[\d"):
        search(lambda alphas: float("nan"), 3, SETTINGS)


def table(*perplexities: float) -> pd.DataFrame:
    numbers = range(1, len(perplexities) + 1)
    return pd.DataFrame(
        {
            "candidate": numbers,
            "generation": 1,
            "perplexity": perplexities,
            "alpha_0": [0.1 * number for number in numbers],
        }
    )


def test_the_best_are_kept_and_others_in_even_steps_up_to_the_worst():
    found = keep(table(9, 1, 1.5, 2, 3, 4, 1.2, 8.5), best=2, spread=3)
    # steps from 1.2 to 9: 3.8, 6.4, 9; nearest 4, then 8.5 (4 is taken), then 9
    assert found["perplexity"].tolist() == [1, 1.2, 4, 8.5, 9]
    assert found["candidate"].tolist() == [2, 7, 6, 8, 1]
    assert found["why"].tolist() == ["best", "best", "spread", "spread", "spread"]


def test_without_spread_the_best_alone_are_kept_the_earlier_of_equals_first():
    found = keep(table(3, 2, 1, 2), best=2, spread=0)
    assert found["candidate"].tolist() == [3, 2]


def test_a_candidate_that_came_twice_is_kept_once():
    twice = pd.concat([table(1, 2, 3), table(1, 2, 3).assign(candidate=[4, 5, 6])])
    assert keep(twice, best=2, spread=1)["candidate"].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="3 distinct candidates, best . spread are 4"):
        keep(twice, best=2, spread=2)


def test_a_task_vector_can_be_scaled_layer_by_layer():
    generator = np.random.default_rng(1)
    modules = {
        f"model.layers.{layer}.{part}": LowRank(
            generator.normal(size=(2, 4)).astype(np.float32),
            generator.normal(size=(3, 2)).astype(np.float32),
            0.5,
        )
        for layer in (0, 1, 2)
        for part in ("mlp.up_proj", "self_attn.q_proj")
    }
    vector, weight = TaskVector(modules, "base"), np.ones((3, 4), np.float32)
    for name, delta in scaled(vector, np.array([0.25, 0.0, -2.0])).modules.items():
        alpha = [0.25, 0.0, -2.0][int(name.split(".")[2])]
        expected = weight + alpha * 0.5 * modules[name].B @ modules[name].A
        assert weight + delta.dense() == pytest.approx(expected, abs=1e-6)
    same = scaled(vector, np.full(3, 0.3)).modules
    assert all((same[name].B == d.B).all() for name, d in scaled(vector, 0.3).modules.items())
