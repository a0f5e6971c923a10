"""Untrained encoders: matched where they should be, and random or plain otherwise."""

import numpy as np
import pytest
import torch

from stethoscope.saes.activations import encode
from stethoscope.saes.control_encoders import ENCODERS, coordinate_encoder, random_encoder
from stethoscope.saes.formats import Encoder
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.study.model import Controls

TOKENS, WIDTH, FEATURES = 2000, 12, 20


@pytest.fixture
def stream():
    generator = np.random.default_rng(3)
    return (5 + generator.standard_normal((TOKENS, WIDTH))).astype(np.float32)


@pytest.fixture
def encoder():
    generator = np.random.default_rng(4)
    weights = generator.standard_normal((WIDTH, FEATURES)).astype(np.float32)
    weights *= np.arange(1, FEATURES + 1)
    return Encoder(weights, np.zeros(FEATURES, np.float32), np.zeros(FEATURES, np.float32))


@pytest.fixture
def sums():
    """One problem of 2000 tokens; feature i fires on 10 i of them, the first never."""
    fires = 10 * np.arange(1, FEATURES)
    return ProblemSums(
        indptr=np.array([0, FEATURES - 1]),
        indices=np.arange(1, FEATURES),
        sums=fires * 2.0,
        fires=fires,
        maxima=np.full(FEATURES - 1, 2.0),
        tokens=np.array([TOKENS]),
        subjects=np.array([0]),
        n_features=FEATURES,
    )


def test_a_random_encoder_has_the_norms_and_the_firing_rates_of_the_sae(encoder, sums, stream):
    found = random_encoder(encoder, sums, stream, np.random.default_rng(1))
    np.testing.assert_allclose(
        np.linalg.norm(found.w_enc, axis=0), np.linalg.norm(encoder.w_enc, axis=0), rtol=1e-5
    )
    active = encode(found, torch.from_numpy(stream)).numpy() > 0
    fires = active.sum(axis=0)
    assert fires[0] == 0
    # A tie at the threshold, or another order of summation, may move a token or two.
    np.testing.assert_allclose(fires, 10 * np.arange(FEATURES), atol=2)


def test_a_random_encoder_points_elsewhere_and_depends_on_its_seed_alone(encoder, sums, stream):
    first, same, other = (
        random_encoder(encoder, sums, stream, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.w_enc, same.w_enc)
    np.testing.assert_array_equal(first.threshold, same.threshold)
    assert not np.allclose(first.w_enc, other.w_enc)
    unit = [e.w_enc / np.linalg.norm(e.w_enc, axis=0) for e in (first, encoder)]
    assert abs((unit[0] * unit[1]).sum(axis=0)).max() < 0.95


def test_coordinates_are_the_stream_split_by_sign(encoder, sums, stream):
    centred = stream - 5
    found = coordinate_encoder(encoder, sums, centred, np.random.default_rng(1))
    active = encode(found, torch.from_numpy(centred)).numpy()
    np.testing.assert_array_equal(active[:, :WIDTH], np.maximum(centred, 0))
    np.testing.assert_array_equal(active[:, WIDTH:], np.maximum(-centred, 0))


def test_every_control_that_a_study_may_name_is_there():
    named = Controls.model_json_schema()["properties"]["encoders"]["items"]["enum"]
    assert set(named) == set(ENCODERS)
