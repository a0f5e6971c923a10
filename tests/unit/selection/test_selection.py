"""Layer selections: each selector by hand, controls that are never what they control."""

import itertools

import numpy as np
import pandas as pd
import pytest

from stethoscope.names import sets_by_draw
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.selection.by_set import by_random
from stethoscope.selection.needs import SubjectSums
from stethoscope.selection.registry import SELECTORS, Selector
from stethoscope.selection.select import highest, select, select_and_score, selection_record
from stethoscope.task_vectors.delta import LowRank
from stethoscope.task_vectors.task_vector import TaskVector, layer_energies

TABLE = pd.DataFrame(
    {
        "layer": [0, 1, 2, 3, 4],
        "sp": [1.0, 4.0, 3.9, 5.0, 4.0],
        "sp_smooth": [3.0, 1.0, 2.0, 1.0, 1.0],
    }
)


def test_all_selects_every_layer():
    assert select("all", 4) == [0, 1, 2, 3]


def test_a_range_includes_both_ends():
    assert select("range", 34, first=17, last=27) == [17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27]


@pytest.mark.parametrize("first, last", [(-1, 2), (2, 1), (0, 4)])
def test_a_range_outside_the_model_is_refused(first, last):
    with pytest.raises(ValueError, match="not a window of a model with 4 layers"):
        select("range", 4, first=first, last=last)


def test_a_threshold_selects_layers_at_it_and_above():
    assert select("specificity", 5, sp_table=TABLE, at_least=4.0) == [1, 3, 4]


def test_a_threshold_above_all_layers_says_what_the_highest_is():
    expected = r"no layer has sp >= 9.0 \(highest: 5.00 in layer 3\); lower at_least"
    with pytest.raises(ValueError, match=expected):
        select("specificity", 5, sp_table=TABLE, score="sp", at_least=9.0)


def test_top_selects_the_highest_in_the_order_of_the_layers():
    assert select("specificity", 5, sp_table=TABLE, top=1) == [3]
    assert select("specificity", 5, sp_table=TABLE, top=3) == [1, 3, 4]


def test_of_equal_layers_the_earlier_one_is_selected_whatever_the_order_of_the_rows():
    for order in itertools.permutations(range(5)):
        rows = TABLE.iloc[list(order)]
        assert select("specificity", 5, sp_table=rows, top=2) == [1, 3]


def test_the_smoothed_score_can_be_chosen_instead():
    assert select("specificity", 5, sp_table=TABLE, score="sp_smooth", top=2) == [0, 2]
    assert select("specificity", 5, sp_table=TABLE, score="sp_smooth", at_least=2.0) == [0, 2]


def test_a_table_of_another_model_is_refused():
    with pytest.raises(ValueError, match="expected the layers 0-3, one row each"):
        select("specificity", 4, sp_table=TABLE, top=1)
    with pytest.raises(ValueError, match="expected the layers 0-4, one row each"):
        select("specificity", 5, sp_table=pd.concat([TABLE[:4], TABLE[:1]]), top=1)


def test_random_sets_have_the_size_of_the_set_they_control_and_differ_from_it_and_each_other():
    like = [1, 3, 4]
    draws = [by_random(6, like, draw, seed=1) for draw in range(1, 11)]
    assert all(len(set(draw)) == 3 and draw == sorted(draw) for draw in draws)
    assert all(0 <= layer < 6 for draw in draws for layer in draw)
    assert len({tuple(draw) for draw in [like, *draws]}) == 11


def test_a_draw_is_the_same_each_time_and_does_not_depend_on_how_many_there_are():
    again = [by_random(8, [0, 1], draw, seed=3) for draw in (1, 2, 3)]
    assert [by_random(8, [0, 1], draw, seed=3) for draw in (3, 2, 1)] == again[::-1]
    assert [by_random(8, [0, 1], draw, seed=4) for draw in (1, 2, 3)] != again


def test_the_order_of_the_controlled_set_does_not_matter():
    assert by_random(8, [5, 2, 0], 2, seed=1) == by_random(8, [0, 2, 5], 2, seed=1)


def test_all_other_sets_can_be_drawn_but_not_one_more():
    every = {tuple(by_random(4, [0, 1], draw, seed=0)) for draw in range(1, 6)}
    assert every == set(itertools.combinations(range(4), 2)) - {(0, 1)}
    with pytest.raises(ValueError, match="fewer than 6 other sets of 2 of 4 layers exist"):
        by_random(4, [0, 1], 6, seed=0)


def test_there_is_no_random_control_for_all_layers():
    with pytest.raises(ValueError, match="fewer than 1 other sets of 4 of 4 layers"):
        by_random(4, [0, 1, 2, 3], 1, seed=0)


@pytest.mark.parametrize(
    "at, layers", [("first", [0, 1, 2]), ("middle", [2, 3, 4]), ("last", [5, 6, 7])]
)
def test_a_window_has_as_many_layers_as_the_selection_that_it_is_like(at, layers):
    assert select("window", 8, at=at, like=[0, 5, 7]) == layers


def test_a_span_holds_the_selection_and_stays_in_the_model():
    assert select("span", 8, of=[5, 3]) == [3, 4, 5]
    assert select("span", 8, of=[0, 2], margin=2) == [0, 1, 2, 3, 4]
    assert select("span", 8, of=[6], margin=3) == [3, 4, 5, 6, 7]


def test_a_complement_is_what_is_left_of_all_layers():
    assert select("complement", 6, of=[4, 1, 2]) == [0, 3, 5]
    with pytest.raises(ValueError, match="no layer is left"):
        select("complement", 3, of=[0, 1, 2])


def test_set_algebra_gives_the_papers_nodeep_and_union():
    sp4 = [14, 15, 17, 19, 20, 21, 22, 23, 24, 25, 27, 30, 31, 32]
    nodeep = select("without", 34, of=sp4, minus=[30, 31, 32, 33])
    assert nodeep == [14, 15, 17, 19, 20, 21, 22, 23, 24, 25, 27]
    assert select("union", 34, of=[nodeep, [31, 16], [14]]) == sorted([*nodeep, 16, 31])
    with pytest.raises(ValueError, match=r"no layer is left of \[1, 2\] without \[1, 2, 3\]"):
        select("without", 34, of=[2, 1], minus=[3, 2, 1])


def test_random_layers_stay_within_their_band():
    draws = {
        tuple(by_random(8, [0, 1, 2], draw, seed=1, within=[3, 4, 5, 7])) for draw in (1, 2, 3, 4)
    }
    assert draws == set(itertools.combinations([3, 4, 5, 7], 3))
    with pytest.raises(ValueError, match="fewer than 5 other sets of 3 of 4 layers exist"):
        by_random(8, [0, 1, 2], 5, seed=1, within=[3, 4, 5, 7])
    with pytest.raises(ValueError, match="fewer than 4 other sets of 3 of 4 layers exist"):
        by_random(8, [3, 4, 5], 4, seed=1, within=[3, 4, 5, 7])
    with pytest.raises(ValueError, match="fewer than 1 other sets of 3 of 2 layers exist"):
        by_random(8, [3, 4, 5], 1, seed=1, within=[3, 4])


def vector_of(*norms: float) -> TaskVector:
    """A task vector of rank 1 with these Frobenius norms, layer by layer, over two modules."""
    modules = {}
    for layer, norm in enumerate(norms):
        for part, share in (("self_attn.q_proj", 0.6), ("mlp.up_proj", 0.8)):  # 0.36 + 0.64 = 1
            a, b = np.array([[1.0, 0.0]], np.float32), np.array([[share], [0.0]], np.float32)
            modules[f"model.layers.{layer}.{part}"] = LowRank(a, b, norm)
    return TaskVector(modules, "base")


def test_energy_by_layer_adds_up_its_modules():
    assert layer_energies(vector_of(1, 2, 3), 3) == pytest.approx([1, 4, 9])
    with pytest.raises(ValueError, match="the task vector is zero in layer 2"):
        layer_energies(vector_of(1, 2), 3)


def test_norm_matched_draws_come_in_the_order_of_their_distance_from_the_energy_that_they_match():
    norms = [1.0, 1.5, 2.1, 2.4, 3.3, 3.9]
    like = [1, 4]
    pairs = [pair for pair in itertools.combinations(range(6), 2) if pair != (1, 4)]
    wanted = norms[1] ** 2 + norms[4] ** 2
    expected = sorted(
        pairs, key=lambda pair: abs(sum(norms[layer] ** 2 for layer in pair) - wanted)
    )
    matched = {"match_norm_of": vector_of(*norms)}
    for seed in (1, 2):  # all 14 sets are candidates, so the seed decides nothing
        draws = [tuple(by_random(6, like, draw, seed, **matched)) for draw in range(1, 15)]
        assert draws == expected
    with pytest.raises(ValueError, match="fewer than 15 other sets"):
        by_random(6, like, 15, 1, **matched)


def test_fewer_candidates_match_the_norm_less_well_and_come_from_the_same_drawing():
    vector, like = vector_of(*np.linspace(1, 3, 9)), [2, 3, 6]
    few = [tuple(by_random(9, like, draw, 5, None, vector, 4)) for draw in (1, 2, 3, 4)]
    assert set(few) == {tuple(by_random(9, like, draw, 5)) for draw in (1, 2, 3, 4)}
    energies = layer_energies(vector, 9)
    distance = [abs(energies[list(draw)].sum() - energies[like].sum()) for draw in few]
    assert distance == sorted(distance)
    with pytest.raises(ValueError, match="fewer than 5 other sets"):
        by_random(9, like, 5, 5, None, vector, 4)


def test_a_selection_is_one_set_or_one_a_draw_by_name():
    settings = {"by": "specificity", "sp_table": TABLE, "top": 1}
    ranked = {"selection": "sp"} | selection_record(5, None, settings)
    assert sets_by_draw(ranked) == {None: ranked}
    assert (ranked["layers"], ranked["scores"]) == ([3], TABLE["sp"].tolist())

    settings = {"by": "random", "like": [0, 2], "seed": 1}
    drawn = {"selection": "twins"} | selection_record(6, 3, settings)
    assert sets_by_draw(drawn) == {
        draw: {"layers": by_random(6, [0, 2], draw, seed=1)} for draw in (1, 2, 3)
    }


def test_the_number_of_specific_features_ranks_layers():
    table = TABLE.assign(n_features=[3, 9, 9, 1, 20])
    layers, scores = select_and_score("n_features", 5, sp_table=table, top=2)
    assert (layers, scores) == ([1, 4], [3, 9, 9, 1, 20])


def sums_of(values: list[list[float]], subjects: list[int]) -> ProblemSums:
    """Activation sums of problems of four tokens; values: a row a problem, a column a feature."""
    dense = np.array(values)
    rows, columns = dense.nonzero()
    return ProblemSums(
        indptr=np.searchsorted(rows, np.arange(len(dense) + 1)),
        indices=columns,
        sums=dense[rows, columns],
        fires=np.ones(len(rows), int),
        maxima=dense[rows, columns],
        tokens=np.full(len(dense), 4),
        subjects=np.array(subjects),
        n_features=dense.shape[1],
    )


def test_activation_magnitude_is_the_total_activation_of_a_token_on_the_target():
    subjects = [0, 0, 1, 2]
    layers = [
        sums_of([[8, 0, 4], [0, 0, 4], [4, 0, 0], [0, 12, 0]], subjects),
        sums_of([[4, 4, 0], [4, 4, 0], [2, 0, 0], [0, 0, 6]], subjects),
    ]
    # Over 2 problems and 4 tokens: target (12 + 4) / 8 and (8 + 8) / 8.
    # Over 2 subjects and 4 tokens: others (4 + 12) / 8 and (2 + 6) / 8.
    common = {"activation_sums": SubjectSums(layers, 0, 3), "top": 1}
    layers, scores = select_and_score("activation_magnitude", 2, **common)
    assert scores == pytest.approx([2, 2])
    assert layers == [0]
    layers, scores = select_and_score("activation_magnitude", 2, relative_to_others=True, **common)
    assert scores == pytest.approx([2 / 2, 2 / 1])
    assert layers == [1]


SCORING = {"epsilon": 0.5, "unit": "raw", "smoothing_quantile": 0.5, "threshold": 1.0}


def test_sp_of_permuted_subjects_is_sp_of_one_relabelling_that_serves_all_layers():
    generator = np.random.default_rng(1)
    subjects = [0, 0, 1, 2, 2]
    values = [generator.integers(0, 9, size=(5, 4)).astype(float) for _ in range(3)]
    layers = [sums_of(value.tolist(), subjects) for value in values]
    # What SP can be by hand, in each of the 30 relabellings that keep the subjects' sizes.
    possible = set()
    for labels in set(itertools.permutations(subjects)):
        labels = np.array(labels)
        sps = []
        for value in values:
            target, *others = ((value[labels == s] / 4).mean(axis=0) for s in range(3))
            sps.append(max(target / (np.mean(others, axis=0) + 0.5)))
        possible.add(tuple(np.round(sps, 9)))
    common = {"activation_sums": SubjectSums(layers, 0, 3), "scoring": SCORING, "top": 1}
    drawn = [
        tuple(np.round(select_and_score("permuted_specificity", 3, draw=d, seed=1, **common)[1], 9))
        for d in (1, 2, 3, 4, 5, 6)
    ]
    assert set(drawn) <= possible and len(set(drawn)) > 1
    again = select_and_score("permuted_specificity", 3, draw=2, seed=1, **common)
    assert tuple(np.round(again[1], 9)) == drawn[1]
    assert again[0] == [int(np.argmax(drawn[1]))]


def test_task_vector_norm_is_that_of_all_modules_of_a_layer():
    vector = vector_of(2, 5, 3)
    layers, scores = select_and_score(
        "task_vector_norm", 3, vector=vector, base_weights=None, like=[0, 1]
    )
    assert scores == pytest.approx([2, 5, 3])
    assert layers == [1, 2]
    dense = [sum(np.sum(d.dense() ** 2) for n, d in vector.modules.items() if f".{i}." in n) ** 0.5
             for i in range(3)]  # fmt: skip
    assert scores == pytest.approx(dense)


def test_task_vector_norm_can_be_relative_to_the_weights():
    vector = vector_of(2, 5, 3)
    sizes = {"0": 1.0, "1": 10.0, "2": 3.0}  # each entry of both 2 x 2 weights of the layer
    weights = {name: np.full((2, 2), sizes[name.split(".")[2]]) for name in vector.modules}
    settings = {
        "vector": vector,
        "relative_to_weights": True,
        "base_weights": lambda modules: weights,
        "top": 1,
    }
    layers, scores = select_and_score("task_vector_norm", 3, **settings)
    assert scores == pytest.approx([2 / 8**0.5, 5 / 800**0.5, 3 / 72**0.5])
    assert layers == [0]


def test_off_principal_energy_is_what_the_leading_singular_vectors_do_not_hold():
    # diag(3, 1): with k = 1 only the entry (0, 0) of a difference is principal.
    weight = np.diag([3.0, 1.0])
    rows = {"0": ([[2, 0]], [[1], [0]]), "1": ([[1, 1]], [[1], [1]]), "2": ([[0, 1]], [[0], [7]])}
    modules = {
        f"model.layers.{layer}.mlp.up_proj": LowRank(np.float32(a), np.float32(b), 1.5)
        for layer, (a, b) in rows.items()
    }
    weights = dict.fromkeys(modules, weight)
    settings = {"vector": TaskVector(modules, "base"), "base_weights": lambda modules: weights}
    layers, scores = select_and_score("off_principal_energy", 3, rank=1, top=2, **settings)
    assert scores == pytest.approx([0, 3 / 4, 1])
    assert layers == [1, 2]
    _, scores = select_and_score("off_principal_energy", 3, rank=2, top=2, **settings)
    assert scores == pytest.approx([0, 0, 0])


def test_off_principal_energy_in_factors_is_that_of_the_dense_projection():
    generator = np.random.default_rng(1)
    shapes = {"self_attn.q_proj": (6, 5), "mlp.down_proj": (5, 9)}
    modules, weights, kept, total = {}, {}, 0.0, 0.0
    for part, (outputs, inputs) in shapes.items():
        a, b = (generator.normal(size=size) for size in ((3, inputs), (outputs, 3)))
        modules[f"model.layers.0.{part}"] = LowRank(np.float32(a), np.float32(b), 0.7)
        weight = weights[f"model.layers.0.{part}"] = generator.normal(size=(outputs, inputs))
        tau = 0.7 * np.float64(np.float32(b)) @ np.float64(np.float32(a))
        values, vectors = np.linalg.eigh(weight @ weight.T)
        left = vectors[:, np.argsort(values)[-2:]]
        values, vectors = np.linalg.eigh(weight.T @ weight)
        right = vectors[:, np.argsort(values)[-2:]]
        kept += np.sum((left @ left.T @ tau @ right @ right.T) ** 2)
        total += np.sum(tau**2)
    settings = {
        "vector": TaskVector(modules, "base"),
        "base_weights": lambda modules: weights,
        "rank": 2,
        "top": 1,
    }
    _, scores = select_and_score("off_principal_energy", 1, **settings)
    assert scores == pytest.approx([1 - kept / total], rel=1e-6)


def test_the_lowest_scores_can_be_chosen_instead_and_ties_still_go_to_the_earlier_layer():
    assert select("specificity", 5, sp_table=TABLE, lowest=True, top=2) == [0, 2]
    assert select("specificity", 5, sp_table=TABLE, lowest=True, like=[3, 4]) == [0, 2]
    assert highest(np.array([1.0, 0.0, 0.0, 1.0]), top=1, lowest=True) == [1]


def test_a_score_that_is_no_number_or_not_one_a_layer_is_refused(monkeypatch):
    for name, scores in {"nan": [1.0, float("nan")], "short": [1.0]}.items():
        broken = Selector(name, lambda n_layers, s=scores: np.array(s), (), scores=True)
        monkeypatch.setitem(SELECTORS, name, broken)
    with pytest.raises(ValueError, match="nan of layer 1 is not finite"):
        select("nan", 2, top=1)
    with pytest.raises(ValueError, match="short: 1 scores for a model with 2 layers"):
        select("short", 2, top=1)
