"""Projection on decoder directions: a projector, on the side of the residual stream."""

import numpy as np
import pytest

from stethoscope.projection import (
    chance_share,
    oracle_energy,
    orthonormal_basis,
    project,
    writes_to_stream,
)
from stethoscope.taskvectors import LowRank

WIDTH = 20
READERS = ["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"]


@pytest.fixture
def generator():
    return np.random.default_rng(7)


def difference(generator, outputs: int, inputs: int, rank: int = 4) -> LowRank:
    a = generator.normal(size=(rank, inputs)).astype(np.float32)
    b = generator.normal(size=(outputs, rank)).astype(np.float32)
    return LowRank(a, b, 1.5)


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
    basis = orthonormal_basis(generator.normal(size=(3, WIDTH)))
    projector = basis @ basis.T
    dense = delta.dense().astype(np.float64)
    expected = projector @ dense if writes else dense @ projector
    result = project(module, delta, basis)
    np.testing.assert_allclose(result.dense(), expected, atol=1e-5)
    assert result.A.dtype == result.B.dtype == np.float32
    assert frobenius2(result.dense()) < 0.9 * frobenius2(dense)


def test_the_energies_of_a_projection_and_of_its_complement_add_up(generator):
    delta = difference(generator, WIDTH, 12)
    frame = np.linalg.qr(generator.normal(size=(WIDTH, WIDTH)))[0]
    kept = project("layers.0.self_attn.o_proj", delta, frame[:, :3])
    rest = project("layers.0.self_attn.o_proj", delta, frame[:, 3:])
    assert kept.energy() + rest.energy() == pytest.approx(delta.energy(), rel=1e-6)
    np.testing.assert_allclose(kept.dense() + rest.dense(), delta.dense(), atol=1e-5)


def test_a_projection_on_the_whole_stream_keeps_the_difference(generator):
    delta = difference(generator, 12, WIDTH)
    basis = orthonormal_basis(np.eye(WIDTH))
    kept = project("layers.0.mlp.up_proj", delta, basis)
    np.testing.assert_allclose(kept.dense(), delta.dense(), atol=1e-5)


def test_a_random_subspace_keeps_its_share_of_the_dimensions_on_average(generator):
    delta = difference(generator, WIDTH, 12)
    rank, draws = 3, 3000
    shares = []
    for _ in range(draws):
        basis = orthonormal_basis(generator.normal(size=(rank, WIDTH)))
        shares.append(frobenius2(basis.T @ delta.dense()) / delta.energy())
    error = np.std(shares) / np.sqrt(draws)
    assert chance_share(rank, WIDTH) == 0.15
    assert abs(np.mean(shares) - chance_share(rank, WIDTH)) < 5 * error
    assert error < 0.002


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_no_projection_keeps_more_than_the_oracle_and_the_singular_directions_reach_it(
    generator, rank
):
    delta = difference(generator, WIDTH, 12)
    oracle = oracle_energy(delta, rank)
    for _ in range(200):
        basis = orthonormal_basis(generator.normal(size=(rank, WIDTH)))
        assert project("layers.0.mlp.down_proj", delta, basis).energy() < oracle
    best = np.linalg.svd(delta.dense().astype(np.float64))[0][:, :rank]
    reached = project("layers.0.mlp.down_proj", delta, best).energy()
    assert reached == pytest.approx(oracle, rel=1e-6)


def test_the_oracle_of_a_high_rank_keeps_everything(generator):
    delta = difference(generator, WIDTH, 12, rank=4)
    assert oracle_energy(delta, 4) == pytest.approx(delta.energy(), rel=1e-10)
    assert oracle_energy(delta, 9) == pytest.approx(delta.energy(), rel=1e-10)
