"""TIES, DARE and Localize-and-Stitch are what their papers define, on arrays worked out by hand."""

import tracemalloc

import numpy as np
import pytest
import torch
from peft.utils import merge_utils
from safetensors.numpy import save_file

from stethoscope.edits.apply import edited
from stethoscope.edits.energy import energy_record, energy_summary
from stethoscope.edits.files import read_edit, save_edit
from stethoscope.edits.merging import (
    METHODS,
    dare,
    interference,
    localize_and_stitch,
    magnitude_threshold,
    ties,
)
from stethoscope.models.base import load_model
from stethoscope.models.weights import read_weights
from stethoscope.task_vectors.adapter import save_adapter
from stethoscope.task_vectors.delta import Dense, LowRank, OnDemand
from stethoscope.task_vectors.task_vector import TaskVector, check_fits, combine, layer_of, scaled

X, Y = "layers.0.x", "layers.1.y"
SETTINGS = {
    "ties": {"density": 0.3},
    "localize_and_stitch": {"density": 0.3},
    "dare": {"drop": 0.7, "seed": 5},
}


def of(**modules) -> TaskVector:
    """A task vector of dense modules x (in layer 0) and y (in layer 1)."""
    names = {"x": X, "y": Y}
    return TaskVector(
        {names[key]: Dense(np.array(values, np.float32)) for key, values in modules.items()}, "b"
    )


def merged(method, vectors, weights=None, **settings) -> dict[str, np.ndarray]:
    weights = weights or dict.fromkeys(vectors, 1.0)
    return {name: delta.dense() for name, delta in method(vectors, weights, **settings).items()}


def random_vectors(count=2, rank=3, seed=0) -> dict[str, TaskVector]:
    generator = np.random.default_rng(seed)

    def factor(*shape):
        return generator.normal(size=shape).astype(np.float32)

    return {
        f"v{number}": TaskVector(
            {X: LowRank(factor(rank, 20), factor(30, rank), 2.0),
             Y: LowRank(factor(rank, 10), 0.2 * factor(12, rank), 2.0)},
            "b",
        )
        for number in range(count)
    }  # fmt: skip


# Ten entries each. A density of 0.5 keeps 5 -4 3 and 9 -8 of a, 4 -7 and 6 8 5 of b.
A = {"x": [[5, -4, 3, 1, 0]], "y": [[9, -8, 2, 1, 1]]}
B = {"x": [[-1, 4, -7, 0, 2]], "y": [[6, 8, -3, 5, 0.5]]}


def test_ties_trims_over_the_whole_vector_elects_a_sign_and_averages_what_agrees():
    result = merged(ties, {"a": of(**A), "b": of(**B)}, density=0.5)
    # x: 5 alone; -4 and 4 tie: nothing; 3 against -7: -7 wins; the rest trimmed.
    assert result[X].tolist() == [[5, 0, -7, 0, 0]]
    # y: 9 and 6 agree: their mean; -8 and 8 tie; 5 alone.
    assert result[Y].tolist() == [[7.5, 0, 0, 5, 0]]


def test_ties_elects_the_sign_of_the_weighted_sum():
    vectors = {"a": of(x=[[3.0, 6.0]]), "b": of(x=[[-4.0, 2.0]])}
    assert merged(ties, vectors, density=1.0)[X].tolist() == [[-4, 4]]
    weighted = merged(ties, vectors, {"a": 2.0, "b": 1.0}, density=1.0)
    assert weighted[X].tolist() == [[6, 7]]
    negated = merged(ties, vectors, {"a": 1.0, "b": -1.0}, density=1.0)
    assert negated[X].tolist() == [[3.5, 6]]


def test_stitching_gives_a_coordinate_that_n_vectors_claim_one_nth_of_each():
    result = merged(localize_and_stitch, {"a": of(**A), "b": of(**B)}, density=0.5)
    assert result[X].tolist() == [[5, 0, -2, 0, 0]]
    assert result[Y].tolist() == [[7.5, 0, 0, 5, 0]]
    three = {name: of(x=[[3.0, 0.0]]) for name in ("a", "b", "c")} | {"d": of(x=[[0.0, 8.0]])}
    assert merged(localize_and_stitch, three, density=1.0)[X].tolist() == [[3, 8]]


@pytest.mark.parametrize("density", [0.01, 0.2, 0.5, 1.0])
def test_of_one_vector_ties_and_stitching_and_magnitude_pruning_are_the_same_bits(density):
    vectors = random_vectors(1)
    first, second = (merged(m, vectors, density=density) for m in (ties, localize_and_stitch))
    whole = {name: delta.dense() for name, delta in vectors["v0"].modules.items()}
    flat = torch.from_numpy(np.concatenate([whole[X].ravel(), whole[Y].ravel()]))
    pruned = merge_utils.magnitude_prune([flat], torch.ones(1), density).numpy()
    for name, values in (("x", pruned[:600].reshape(30, 20)), ("y", pruned[600:].reshape(12, 10))):
        name = {"x": X, "y": Y}[name]
        assert first[name].tobytes() == second[name].tobytes()
        np.testing.assert_array_equal(first[name], values)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.5, 0.5), (1.0, 0.25)])
def test_ties_of_a_single_tensor_is_that_of_peft_but_for_weights_in_the_election(weights):
    vectors = {name: v.in_layers([0]) for name, v in random_vectors(2).items()}
    tensors = [torch.from_numpy(v.modules[X].dense()) for v in vectors.values()]
    ours = merged(ties, vectors, dict(zip(vectors, weights, strict=True)), density=0.4)[X]
    theirs = merge_utils.ties(tensors, torch.tensor(weights), 0.4).numpy()
    if weights[0] == weights[1]:
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    else:  # PEFT elects on the unweighted entries: give it the weighted ones
        assert np.abs(ours - theirs).max() > 0.1
        scaled_ones = [weight * t for weight, t in zip(weights, tensors, strict=True)]
        theirs = merge_utils.ties(scaled_ones, torch.ones(2), 0.4).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("density", [1e-9, 0.001, 0.1, 0.37, 1.0])
def test_the_threshold_is_the_kth_largest_magnitude_of_all_modules_together(density):
    generator = np.random.default_rng(1)
    modules = [
        Dense((generator.normal(size=(40, 50)) * 10.0**scale).astype(np.float32))
        for scale in (-12, -3, 0, 4)
    ]
    modules += [Dense(np.zeros((30, 30), np.float32)), Dense(np.full((7, 9), -0.25, np.float32))]
    flat = np.sort(np.concatenate([np.abs(m.values).ravel() for m in modules]))[::-1]
    k = max(1, round(density * len(flat)))
    assert magnitude_threshold(modules, density) == flat[k - 1]


def test_entries_of_equal_magnitude_are_kept_or_dropped_together():
    vector = {"a": of(x=[[2.0, -2.0, 2.0, 1.0]])}
    assert merged(ties, vector, density=0.25)[X].tolist() == [[2, -2, 2, 0]]


def test_dare_has_the_vectors_sum_as_its_mean_and_its_energy_over_one_minus_p():
    vectors, drop = random_vectors(2), 0.75
    weights = {"v0": 1.0, "v1": 0.5}
    total = combine(vectors, weights)
    mean = dict.fromkeys((X, Y), 0.0)
    energies = []
    for seed in range(400):
        result = merged(dare, vectors, weights, drop=drop, seed=seed)
        for name, values in result.items():
            mean[name] = mean[name] + values.astype(np.float64) / 400
        energies.append(sum(np.sum(values.astype(np.float64) ** 2) for values in result.values()))
    for name, delta in total.modules.items():
        parts = [w * vectors[v].modules[name].dense() for v, w in weights.items()]
        deviation = np.sqrt(sum(part**2 for part in parts) * drop / (1 - drop) / 400)
        assert np.max(np.abs(mean[name] - delta.dense()) / deviation) < 5
    # of two vectors: E||sum||^2 + p / (1 - p) * sum of the energies
    alone = sum(w**2 * vectors[v].energy() for v, w in weights.items())
    expected = total.energy() + drop / (1 - drop) * alone
    assert np.mean(energies) == pytest.approx(expected, rel=5 * np.std(energies) / expected / 20)
    single = [
        sum(np.sum(d.astype(np.float64) ** 2) for d in result.values())
        for seed in range(200)
        for result in [merged(dare, {"v0": vectors["v0"]}, drop=drop, seed=seed)]
    ]
    assert np.mean(single) == pytest.approx(vectors["v0"].energy() / (1 - drop), rel=0.02)


def test_dare_drops_the_share_that_it_is_asked_to_and_rescales_the_rest():
    vector = {"a": TaskVector({X: Dense(np.full((300, 300), 0.5, np.float32))}, "b")}
    result = merged(dare, vector, drop=0.9, seed=3)[X]
    assert set(np.unique(result)) == {np.float32(0), np.float32(0.5) / np.float32(1 - 0.9)}
    assert abs((result == 0).mean() - 0.9) < 5 * np.sqrt(0.09 / result.size)
    assert merged(dare, vector, drop=0.0, seed=3)[X].tolist() == np.full((300, 300), 0.5).tolist()


def test_a_mask_of_dare_depends_on_seed_draw_and_names_alone():
    vectors = random_vectors(2)
    ones = TaskVector(
        {n: Dense(np.ones(d.shape, np.float32)) for n, d in vectors["v0"].modules.items()}, "b"
    )

    def mask(name="v0", vector=ones, seed=1, draw=1):
        return merged(dare, {name: vector}, drop=0.5, seed=seed, draw=draw)[X] != 0

    assert (mask() == mask(vector=ones.in_layers([0]))).all()  # whatever else is edited
    assert (mask() == (merged(dare, {"v0": vectors["v0"]}, drop=0.5, seed=1)[X] != 0)).all()
    for other in (mask(seed=2), mask(draw=2), mask(name="v1")):
        assert 0.4 < (mask() == other).mean() < 0.6
    square = TaskVector({n: Dense(np.ones((20, 20), np.float32)) for n in (X, Y)}, "b")
    result = merged(dare, {"v0": square}, drop=0.5, seed=1)
    assert 0.4 < (result[X] == result[Y]).mean() < 0.6


@pytest.mark.parametrize("name", METHODS)
def test_neither_the_order_of_vectors_nor_that_of_modules_matters(name):
    vectors = random_vectors(3)
    weights = {"v0": 1.0, "v1": 0.5, "v2": -0.7}
    turned = {
        name: TaskVector(dict(reversed(vector.modules.items())), vector.base)
        for name, vector in reversed(vectors.items())
    }
    there = merged(METHODS[name], vectors, weights, **SETTINGS[name])
    back = merged(METHODS[name], turned, dict(reversed(weights.items())), **SETTINGS[name])
    assert list(there) == list(back) == [X, Y]
    for module, values in there.items():
        assert values.dtype == np.float32 and values.tobytes() == back[module].tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_a_module_that_only_one_vector_has_is_merged_as_that_vectors_own(name):
    vectors = random_vectors(2)
    vectors["v1"] = vectors["v1"].in_layers([0])
    both = merged(METHODS[name], vectors, **SETTINGS[name])
    alone = merged(METHODS[name], {"v0": vectors["v0"]}, **SETTINGS[name])
    assert set(both) == {X, Y}
    np.testing.assert_array_equal(both[Y], alone[Y])
    assert (
        merged(METHODS[name], {k: v.in_layers([]) for k, v in vectors.items()}, **SETTINGS[name])
        == {}
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_weight_scales_the_vector_before_anything_else(name):
    vectors = random_vectors(2)
    halved = vectors | {"v1": scaled(vectors["v1"], 0.5)}
    expected = merged(METHODS[name], halved, **SETTINGS[name])
    result = merged(METHODS[name], vectors, {"v0": 1.0, "v1": 0.5}, **SETTINGS[name])
    for module, values in expected.items():
        np.testing.assert_array_equal(result[module], values)


@pytest.mark.parametrize(
    "name, settings, message",
    [
        ("ties", {"density": 0.0}, "merging.density: 0.0 is not above 0"),
        ("localize_and_stitch", {"density": 1.5}, "merging.density: 1.5 is not above 0"),
        ("dare", {"drop": 1.0, "seed": 1}, "merging.drop: 1.0 is not at least 0"),
    ],
)
def test_a_share_out_of_range_is_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        merged(METHODS[name], random_vectors(1), **settings)


def test_interference_is_counted_by_hand():
    first, second = of(**A), of(**B)
    rows = {row["layer"]: row for row in interference(first, second)}
    assert list(rows) == [0, 1, "all"]
    # x: signs differ at 1st, 2nd, 3rd; the two zeros of the rest count nowhere
    assert (rows[0]["overlap"], rows[0]["sign_conflict"]) == (3 / 5, 1.0)
    assert (rows[1]["overlap"], rows[1]["sign_conflict"]) == (1.0, 2 / 5)
    assert (rows["all"]["overlap"], rows["all"]["sign_conflict"]) == (8 / 10, 5 / 8)
    a, b = (np.array([v["x"][0] + v["y"][0]]).ravel() for v in (A, B))
    norms = [np.linalg.norm(a), np.linalg.norm(b)]
    assert [rows["all"][f"norm_{w}"] for w in ("first", "second")] == pytest.approx(norms)
    assert rows["all"]["cosine"] == pytest.approx(a @ b / np.prod(norms), rel=1e-12)
    trimmed = interference(first, second, 0.5)[-1]
    # both keep the 2nd and 3rd of x, the 1st and 2nd of y; only the 1st of y agrees
    assert (trimmed["density"], trimmed["overlap"], trimmed["sign_conflict"]) == (0.5, 0.4, 0.75)
    kept = [np.where(np.abs(v) >= 3.5, v, 0) for v in (a, b)]
    kept[0][2] = 3
    cosine = kept[0] @ kept[1] / np.prod([np.linalg.norm(v) for v in kept])
    assert trimmed["cosine"] == pytest.approx(cosine, rel=1e-12)


def test_a_vector_meets_itself_in_full_and_its_negative_in_conflict():
    vector = random_vectors(1)["v0"]
    same, opposite = (interference(vector, scaled(vector, f))[-1] for f in (3.0, -1.0))
    assert (same["cosine"], same["sign_conflict"]) == (pytest.approx(1), 0)
    assert (opposite["cosine"], opposite["sign_conflict"]) == (pytest.approx(-1), 1)
    nothing = interference(vector, vector.in_layers([]))
    assert [row["layer"] for row in nothing] == ["all"] and nothing[0]["cosine"] is None


@pytest.fixture(scope="module")
def pair(vector) -> dict[str, TaskVector]:
    """Two task vectors of the tiny model."""
    generator = np.random.default_rng(4)
    modules = {
        name: LowRank(d.A, (0.1 * generator.normal(size=d.B.shape)).astype(np.float32), d.scale)
        for name, d in vector.modules.items()
    }
    return {"v2": vector, "cp": TaskVector(modules, vector.base)}


@pytest.mark.parametrize("name", METHODS)
def test_a_merged_edit_gives_the_logits_of_weights_that_were_changed_by_hand(
    tiny, pair, tmp_path, name
):
    weights = {"v2": 1.0, "cp": 0.5}
    inside = {key: vector.in_layers([0, 2]) for key, vector in pair.items()}
    kept = TaskVector(METHODS[name](inside, weights, **SETTINGS[name]), pair["v2"].base)
    save_edit(tmp_path, scaled(kept, 0.7), tiny.folder.as_posix())
    assert [path.name for path in tmp_path.iterdir()] == ["differences.safetensors"]
    edit = read_edit(tmp_path)
    assert edit.base == pair["v2"].base
    check_fits(edit, tiny.folder, tmp_path)
    by_hand = load_model(tiny.folder)
    with torch.no_grad():
        for key, values in merged(METHODS[name], inside, weights, **SETTINGS[name]).items():
            by_hand.get_submodule(key).weight += np.float32(0.7) * torch.from_numpy(values)
    ids = tiny.tokenizer("Problem:\nWhat is 3 + 4?\n\nSolution:", return_tensors="pt")["input_ids"]
    with torch.no_grad(), edited(tiny.model, edit):
        ours = tiny.model(ids).logits
    with torch.no_grad():
        assert torch.equal(ours, by_hand(ids).logits)
        assert (ours - tiny.model(ids).logits).abs().max() > 0.01


def test_the_energies_of_a_merged_edit_are_those_of_its_matrices(tiny, pair):
    weights = {"v2": 1.0, "cp": 0.5}
    total = combine(pair, weights)
    kept = TaskVector(ties(pair, weights, density=0.2), total.base)
    edit = scaled(kept, 0.5)
    stored = read_weights(tiny.folder, list(edit.modules))
    summary = energy_summary(energy_record(total, kept, edit, stored, None))
    energies = [
        sum(np.sum(d.dense().astype(np.float64) ** 2) for d in v.modules.values())
        for v in (total, kept)
    ]
    assert summary["energy_task_vector"] == pytest.approx(energies[0], rel=1e-6)
    assert summary["energy_retained"] == pytest.approx(energies[1] / energies[0], rel=1e-6)
    assert summary["energy_edit"] == pytest.approx(0.25 * energies[1], rel=1e-6)
    assert summary["chance"] is summary["oracle"] is summary["outside_bf16"] is None
    assert summary["landed_energy_fp32"] == pytest.approx(1, abs=1e-4)
    assert summary["unchanged_fp32"] > 0.5  # most entries are trimmed


def test_an_edit_has_one_form_and_its_file_holds_nothing_else(pair, tmp_path):
    edit = TaskVector(ties(pair, {"v2": 1.0}, density=0.5), "b")
    for folder in ("a", "b", "again"):
        (tmp_path / folder).mkdir()
    save_edit(tmp_path / "a", edit, "model")
    save_edit(tmp_path / "again", TaskVector(dict(reversed(edit.modules.items())), "b"), "model")
    written = [(tmp_path / f / "differences.safetensors").read_bytes() for f in ("a", "again")]
    assert written[0] == written[1]
    save_adapter(tmp_path / "a", pair["v2"], "model")
    with pytest.raises(ValueError, match="which is the edit"):
        read_edit(tmp_path / "a")
    save_edit(tmp_path / "b", pair["v2"], "model")
    assert not (tmp_path / "b" / "differences.safetensors").exists()
    again = read_edit(tmp_path / "b")
    assert set(again.modules) == set(pair["v2"].modules)


def test_a_merged_edit_is_the_same_bytes_whether_it_was_held_or_not(pair, tmp_path):
    on_demand = ties(pair, {"v2": 1.0, "cp": 0.5}, density=0.3)
    held = {name: delta.in_memory() for name, delta in on_demand.items()}
    for name, modules in (("held", held), ("on_demand", on_demand)):
        scaled(TaskVector(modules, "b"), 0.7).save(tmp_path / name)
    assert (tmp_path / "held").read_bytes() == (tmp_path / "on_demand").read_bytes()
    again = TaskVector.load(tmp_path / "held").in_layers([1])
    assert again.shapes() == {
        name: delta.shape for name, delta in held.items() if layer_of(name) == 1
    }
    for name, delta in again.modules.items():
        np.testing.assert_array_equal(delta.values, held[name].scaled(0.7).values)


def test_a_merged_edit_is_worked_out_once_and_its_file_is_gone_in_the_end(pair, tmp_path):
    made = []

    def make():
        made.append(1)
        return np.ones((2, 3), np.float32)

    vector = TaskVector({"layers.0.a": OnDemand((2, 3), make)}, "b")
    with vector.worked_out(tmp_path) as kept:
        assert kept.energy() == kept.energy() == 6 and kept.base == "b"
        assert scaled(kept, 2.0).energy() == 24 and len(made) == 1
    assert list(tmp_path.iterdir()) == []
    with pair["v2"].worked_out(tmp_path) as kept:
        assert kept == pair["v2"]


def test_merging_storing_and_recording_an_edit_takes_the_memory_of_a_few_modules(tmp_path):
    """40 modules of a megabyte each: an edit that was held would be 40 MB, its weights as many."""
    generator = np.random.default_rng(0)
    names = [f"model.layers.{layer}.mlp.up_proj" for layer in range(40)]
    vectors = {
        name: TaskVector(
            {
                module: LowRank(
                    generator.normal(size=(2, 512)).astype(np.float32),
                    generator.normal(size=(512, 2)).astype(np.float32),
                )
                for module in names
            },
            "b",
        )
        for name in ("a", "b")
    }
    stored = {f"{name}.weight": np.ones((512, 512), np.float32) for name in names}
    save_file(stored, tmp_path / "model.safetensors")
    del stored
    tracemalloc.start()
    merged_edit = TaskVector(ties(vectors, {"a": 1.0, "b": 1.0}, density=0.2), "b")
    with merged_edit.worked_out(tmp_path) as kept:
        edit = scaled(kept, 0.5)
        edit.save(tmp_path / "edit.safetensors")
        energy_record(combine(vectors, {"a": 1.0}), kept, edit, read_weights(tmp_path, names), None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 25e6
    assert (tmp_path / "edit.safetensors").stat().st_size > 40e6
