"""Projection on directions of the residual stream: each reading and control does what it says."""

import numpy as np
import pytest

from stethoscope.edits.projection import (
    best_directions,
    measured,
    most_frequent_features,
    norm_of,
    oracle_energy,
    orthonormal_basis,
    project,
    random_alive_features,
    random_directions,
    stream_map,
    stream_maps,
    writes_to_stream,
)
from stethoscope.task_vectors.delta import LowRank

WIDTH = 20
READERS = ["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"]
WRITER, READER = "layers.0.mlp.down_proj", "layers.0.self_attn.v_proj"
READINGS = ["both", "writers_only", "norm_aware", "unnormalized"]


@pytest.fixture
def generator():
    return np.random.default_rng(7)


def difference(generator, outputs: int, inputs: int, rank: int = 4) -> LowRank:
    a = generator.normal(size=(rank, inputs)).astype(np.float32)
    b = generator.normal(size=(outputs, rank)).astype(np.float32)
    return LowRank(a, b, 1.5)


def of_module(generator, module: str) -> LowRank:
    """A difference of rank 4 with the stream on the side that the module has it."""
    return difference(generator, *((WIDTH, 12) if module == WRITER else (12, WIDTH)))


def dense(delta: LowRank) -> np.ndarray:
    return delta.scale * (delta.B.astype(np.float64) @ delta.A.astype(np.float64))


def stream_first(module: str, delta: LowRank) -> np.ndarray:
    """The dense difference with the stream as rows."""
    return dense(delta) if module == WRITER else dense(delta).T


def frobenius2(matrix: np.ndarray) -> float:
    return float(np.sum(matrix.astype(np.float64) ** 2))


def test_the_basis_spans_the_directions_and_its_projector_is_idempotent(generator):
    directions = generator.normal(size=(3, WIDTH)).astype(np.float32)
    basis = orthonormal_basis(directions)
    projector = basis @ basis.T
    assert basis.shape == (WIDTH, 3)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-14)
    np.testing.assert_allclose(directions @ projector, directions, atol=1e-6)
    orthogonal = np.linalg.svd(directions)[2][3:]
    np.testing.assert_allclose(orthogonal @ projector, 0, atol=1e-6)


def test_dependent_directions_count_once_whatever_their_lengths(generator):
    first, second = generator.normal(size=(2, WIDTH))
    directions = np.stack([first, 1e-4 * second, 100 * first, first + second, -second])
    assert orthonormal_basis(directions).shape == (WIDTH, 2)


def test_a_direction_that_is_zero_or_not_finite_is_refused(generator):
    for bad in (0.0, np.nan):
        directions = generator.normal(size=(3, WIDTH))
        directions[1] = bad
        with pytest.raises(ValueError, match="zero or not finite"):
            orthonormal_basis(directions)


@pytest.mark.parametrize(
    "module, writes",
    [
        ("model.layers.3.self_attn.o_proj", True),
        ("model.layers.3.mlp.down_proj", True),
        *[(f"model.layers.3.self_attn.{name}", False) for name in READERS[:3]],
        *[(f"model.layers.3.mlp.{name}", False) for name in READERS[3:]],
    ],
)
def test_writers_are_projected_on_their_output_and_readers_on_their_input(
    generator, module, writes
):
    assert writes_to_stream(module) is writes
    shape = (WIDTH, 12) if writes else (12, WIDTH)
    delta = difference(generator, *shape)
    directions = generator.normal(size=(3, WIDTH))
    projector = directions.T @ np.linalg.pinv(directions.T)
    whole = dense(delta)
    expected = projector @ whole if writes else whole @ projector
    result = project(module, delta, stream_map(module, directions))
    np.testing.assert_allclose(dense(result), expected, atol=1e-12)
    assert (result.A.shape, result.B.shape) == (delta.A.shape, delta.B.shape)
    assert frobenius2(expected) < 0.9 * frobenius2(whole)


@pytest.mark.parametrize("module", [WRITER, READER])
def test_a_complement_and_its_projection_are_the_difference_and_their_energies_add_up(
    generator, module
):
    delta, directions = of_module(generator, module), generator.normal(size=(3, WIDTH))
    kept = project(module, delta, stream_map(module, directions))
    rest = project(module, delta, stream_map(module, directions, complement=True))
    np.testing.assert_allclose(dense(kept) + dense(rest), dense(delta), atol=1e-12)
    assert kept.energy() + rest.energy() == pytest.approx(delta.energy(), rel=1e-10)
    assert 0.01 < kept.energy() / delta.energy() < 0.5
    outer = np.linalg.svd(directions)[2][3:]
    again = project(module, delta, stream_map(module, outer))
    np.testing.assert_allclose(dense(rest), dense(again), atol=1e-12)


@pytest.mark.parametrize("module", [WRITER, READER])
@pytest.mark.parametrize("reading", ["both", "norm_aware"])
@pytest.mark.parametrize("complement", [False, True])
def test_projecting_twice_is_projecting_once(generator, module, reading, complement):
    delta = of_module(generator, module)
    gain = generator.uniform(0.5, 1.5, WIDTH)
    where = stream_map(module, generator.normal(size=(3, WIDTH)), reading, complement, gain)
    once = project(module, delta, where)
    np.testing.assert_allclose(dense(project(module, once, where)), dense(once), atol=1e-12)
    assert frobenius2(dense(once) - dense(delta)) > 0.05 * delta.energy()


def test_overlapping_directions_that_are_not_orthonormalized_are_no_projector(generator):
    delta, directions = of_module(generator, WRITER), generator.normal(size=(3, WIDTH))
    where = stream_map(WRITER, directions, "unnormalized")
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    once = project(WRITER, delta, where)
    np.testing.assert_allclose(dense(once), unit.T @ unit @ dense(delta), atol=1e-12)
    twice = project(WRITER, once, where)
    assert frobenius2(dense(twice) - dense(once)) > 1e-3 * once.energy()
    with pytest.raises(ValueError, match="has no complement"):
        stream_map(WRITER, directions, "unnormalized", complement=True)


def test_writers_only_leaves_nothing_of_readers_and_its_complement_all_of_them(generator):
    directions = generator.normal(size=(3, WIDTH))
    for module, shared in ((WRITER, 1.0), (READER, 0.0)):
        delta = of_module(generator, module)
        both = project(module, delta, stream_map(module, directions))
        where = stream_map(module, directions, "writers_only")
        only = project(module, delta, where)
        np.testing.assert_allclose(dense(only), shared * dense(both), atol=1e-12)
        rest = project(module, delta, stream_map(module, directions, "writers_only", True))
        np.testing.assert_allclose(dense(rest), dense(delta) - dense(only), atol=1e-12)
        assert where.chance == shared * 3 / WIDTH
        assert (oracle_energy(delta, where.dimensions) > 0) == (shared > 0)


def normed(gain: np.ndarray, written: np.ndarray) -> np.ndarray:
    """Gemma's RMSNorm of each column."""
    return gain[:, None] * written / np.sqrt(np.mean(written**2, axis=0) + 1e-6)


def test_only_the_norm_aware_reading_confines_what_reaches_the_stream_to_the_span(generator):
    directions, inputs = generator.normal(size=(3, WIDTH)), generator.normal(size=(12, 50))
    gain = generator.uniform(0.5, 1.5, WIDTH)
    delta = of_module(generator, WRITER)
    outside = np.eye(WIDTH) - directions.T @ np.linalg.pinv(directions.T)
    leaked = {}
    for reading in ("both", "norm_aware"):
        edit = project(WRITER, delta, stream_map(WRITER, directions, reading, gain=gain))
        written = normed(gain, dense(edit) @ inputs)
        leaked[reading] = frobenius2(outside @ written) / frobenius2(written)
    assert leaked["norm_aware"] < 1e-20  # of squares: 1e-10 of the norm
    assert leaked["both"] > 0.01
    same = np.full(WIDTH, 0.7)
    edit = project(WRITER, delta, stream_map(WRITER, directions, gain=same))
    assert frobenius2(outside @ normed(same, dense(edit) @ inputs)) < 1e-20


def test_a_norm_aware_reader_sees_only_the_span_of_the_stream_before_the_norm(generator):
    directions, gain = generator.normal(size=(3, WIDTH)), generator.uniform(0.5, 1.5, WIDTH)
    delta = of_module(generator, READER)
    edit = project(READER, delta, stream_map(READER, directions, "norm_aware", gain=gain))
    stream = generator.normal(size=(WIDTH, 50))
    inside = directions.T @ np.linalg.pinv(directions.T) @ stream
    np.testing.assert_allclose(
        dense(edit) @ (gain[:, None] * stream), dense(delta) @ (gain[:, None] * inside), atol=1e-12
    )


def test_equal_gains_make_the_norm_aware_reading_the_plain_one(generator):
    directions, delta = generator.normal(size=(3, WIDTH)), of_module(generator, READER)
    aware = stream_map(READER, directions, "norm_aware", gain=np.full(WIDTH, -2.5))
    plain = project(READER, delta, stream_map(READER, directions))
    np.testing.assert_allclose(dense(project(READER, delta, aware)), dense(plain), atol=1e-12)


def test_a_gain_of_zero_is_refused_since_it_has_no_inverse(generator):
    with pytest.raises(ValueError, match=f"{WRITER}: a gain of its norm is zero"):
        stream_map(WRITER, np.eye(WIDTH)[:2], "norm_aware", gain=np.arange(WIDTH))


def test_a_module_without_a_known_norm_is_named():
    with pytest.raises(ValueError, match="no norm is known for mlp.experts"):
        norm_of("model.layers.0.mlp.experts")


@pytest.mark.parametrize("module", [WRITER, READER])
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("complement", [False, True])
def test_random_directions_keep_the_chance_share_of_the_energy_on_average(
    generator, module, reading, complement
):
    if complement and reading == "unnormalized":
        return
    delta, gain = of_module(generator, module), generator.uniform(0.5, 1.5, WIDTH)
    gain = gain if reading == "norm_aware" else None
    whole, shares = measured(module, delta, gain).energy(), []
    for draw in range(1500):
        directions = random_directions(3, WIDTH, 1, draw, 0)
        where = stream_map(module, directions, reading, complement, gain)
        shares.append(measured(module, project(module, delta, where), gain).energy() / whole)
    error = np.std(shares) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - where.chance) <= 5 * error + 1e-12
    assert error < 0.004
    if reading == "both":
        assert where.chance == (0.85 if complement else 0.15)
    if reading == "unnormalized":
        assert where.chance == pytest.approx(0.15 * 1.1)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("module", [WRITER, READER])
@pytest.mark.parametrize("aware", [False, True])
def test_no_projection_keeps_more_than_the_oracle_and_the_best_directions_reach_it(
    generator, rank, module, aware
):
    delta, gain = of_module(generator, module), None
    reading = "norm_aware" if aware else "both"
    seen = stream_first(module, delta)
    if aware:
        gain = generator.uniform(0.5, 1.5, WIDTH)
        seen = gain[:, None] * seen
    oracle = oracle_energy(measured(module, delta, gain), rank)
    sigma = np.linalg.svd(seen, compute_uv=False)
    assert oracle == pytest.approx(np.sum(sigma[:rank] ** 2), rel=1e-10)

    def kept(directions) -> float:
        edit = project(module, delta, stream_map(module, directions, reading, gain=gain))
        return measured(module, edit, gain).energy()

    assert max(kept(random_directions(rank, WIDTH, 2, d, 0)) for d in range(100)) < oracle
    best = best_directions(module, delta, rank, gain)
    assert best.shape == (rank, WIDTH)
    assert kept(best) == pytest.approx(oracle, rel=1e-10)
    for nudge in 0.05 * generator.normal(size=(20, rank, WIDTH)):
        assert kept(best + nudge) < oracle


def test_the_oracle_of_a_high_rank_keeps_everything_with_no_more_directions_than_there_are(
    generator,
):
    delta = of_module(generator, WRITER)
    assert oracle_energy(delta, 4) == pytest.approx(delta.energy(), rel=1e-10)
    assert oracle_energy(delta, 9) == pytest.approx(delta.energy(), rel=1e-10)
    assert best_directions(WRITER, delta, 9).shape == (4, WIDTH)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("complement", [False, True])
def test_nothing_of_a_projection_lies_outside_and_of_noise_its_share_of_dimensions(
    generator, reading, complement
):
    if complement and reading == "unnormalized":
        return
    delta, gain = of_module(generator, WRITER), generator.uniform(0.5, 1.5, WIDTH)
    directions = np.vstack([generator.normal(size=(3, WIDTH)), np.ones((2, WIDTH))])
    where = stream_map(WRITER, directions, reading, complement, gain)
    assert where.outside(dense(project(WRITER, delta, where))) < 1e-20 * delta.energy()
    noise = generator.normal(size=(WIDTH, 4000))
    free = 4 if complement else WIDTH - 4
    assert where.outside(noise) / frobenius2(noise) == pytest.approx(free / WIDTH, rel=0.05)


def test_the_modules_of_a_layer_share_its_directions_and_the_oracle_has_each_its_own(generator):
    modules = {name: of_module(generator, name) for name in (WRITER, READER)}
    directions = {0: generator.normal(size=(2, WIDTH))}
    maps = stream_maps(modules, directions)
    np.testing.assert_array_equal(maps[WRITER].image, maps[READER].image)
    for name, where in stream_maps(modules, 2).items():
        expected = np.linalg.svd(stream_first(name, modules[name]))[0][:, :2]
        np.testing.assert_allclose(where.image @ where.image.T, expected @ expected.T, atol=1e-10)


def test_random_directions_repeat_and_differ_between_seeds_draws_and_layers():
    first = random_directions(3, WIDTH, seed=1, draw=1, layer=4)
    np.testing.assert_array_equal(first, random_directions(3, WIDTH, 1, 1, 4))
    for other in ((2, 1, 4), (1, 2, 4), (1, 1, 5), (4, 1, 1)):
        assert not np.allclose(first, random_directions(3, WIDTH, *other))


def test_the_most_frequent_features_come_first_and_dead_ones_never():
    fires = np.array([0, 5, 9, 5, 0, 1])
    assert most_frequent_features(fires, 3) == [2, 1, 3]
    assert most_frequent_features(fires, 4) == [2, 1, 3, 5]
    with pytest.raises(ValueError, match="5 features asked for, only 4 ever fire"):
        most_frequent_features(fires, 5)


def test_random_features_are_alive_distinct_and_uniform():
    fires = np.array([0, 5, 9, 5, 0, 1])
    drawn = [random_alive_features(fires, 2, 1, draw, 0) for draw in range(600)]
    assert drawn == [random_alive_features(fires, 2, 1, draw, 0) for draw in range(600)]
    assert all(len(set(pair)) == 2 for pair in drawn)
    counts = np.bincount(np.ravel(drawn), minlength=6)
    assert counts[[0, 4]].tolist() == [0, 0]
    assert abs(counts[[1, 2, 3, 5]] - 300).max() < 60
    with pytest.raises(ValueError, match="5 features asked for, only 4"):
        random_alive_features(fires, 5, 1, 1, 0)
