"""SAE files are read as sae-lens itself reads them, or refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from sae_lens import SAE

from stethoscope.saes.activations import encode, sae_quality
from stethoscope.saes.formats import Encoder, decoder_directions, load_encoder
from stethoscope.saes.train import SaeSettings, train_sae

WIDTH, FEATURES = 16, 40
SETTINGS = SaeSettings(features=FEATURES, k=4, samples=12_000, batch_size=200, lr=0.005)


@pytest.fixture(scope="module")
def stream():
    """2000 sparse sums of 30 directions around a mean that is not zero."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(30, WIDTH, generator=generator)
    active = torch.rand(2000, 30, generator=generator) < 0.1
    strength = torch.rand(2000, 30, generator=generator) + 1
    return (active * strength) @ directions + 2


@pytest.fixture(scope="module")
def trained(stream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sae")
    train_sae(stream, SETTINGS, 1, folder)
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "copy")


def configure(folder, **settings):
    path = folder / "cfg.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize("shifted", [True, False])
def test_activations_are_those_of_sae_lens(stream, copy, shifted):
    configure(copy, apply_b_dec_to_input=shifted)
    expected = SAE.load_from_disk(str(copy)).encode(stream)
    ours = encode(load_encoder(copy), stream)
    assert ours.shape == (len(stream), FEATURES) and ours.dtype == torch.float32
    # A pre-activation at its threshold may fall on either side of it.
    same = (ours > 0) == (expected > 0)
    assert same.float().mean() > 0.9999
    torch.testing.assert_close(ours[same], expected[same], rtol=1e-4, atol=1e-4)
    assert 0.02 < (ours > 0).float().mean() < 0.9


def test_a_threshold_above_zero_gates_without_shrinking():
    encoder = Encoder(np.eye(3, dtype="f4"), np.zeros(3, "f4"), np.array([0.5, 0.0, -1.0], "f4"))
    stream = torch.tensor([[0.5, 0.0, -0.5], [0.6, 2.0, 0.3]])
    assert encode(encoder, stream).tolist() == [
        [0, 0, 0], [pytest.approx(0.6), 2.0, pytest.approx(0.3)],
    ]  # fmt: skip


def test_decoder_directions_are_what_a_feature_adds_to_the_stream(trained):
    sae = SAE.load_from_disk(str(trained))
    directions = decoder_directions(trained, [7, 2])
    assert directions.shape == (2, WIDTH)
    one_hot = torch.zeros(2, FEATURES)
    one_hot[0, 7] = one_hot[1, 2] = 1.0
    with torch.no_grad():
        added = sae.decode(one_hot) - sae.decode(torch.zeros(1, FEATURES))
    np.testing.assert_allclose(directions, added.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "setting", [{"architecture": "topk"}, {"normalize_activations": "layer_norm"}]
)
def test_an_sae_that_would_be_read_wrongly_is_refused(copy, setting):
    configure(copy, **setting)
    ((key, value),) = setting.items()
    with pytest.raises(ValueError, match=f"cfg.json: {key} is '{value}', expected") as error:
        load_encoder(copy)
    assert "\n" not in str(error.value)


def test_an_incomplete_or_broken_file_is_named(copy):
    weights = copy / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    for read in (load_encoder, lambda folder: decoder_directions(folder, [0])):
        with pytest.raises(ValueError, match=r"sae_weights\.safetensors: not readable"):
            read(copy)


def test_the_same_residuals_and_seed_give_the_same_bytes(stream, trained, tmp_path):
    torch.rand(3)  # whatever happened before must not matter
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        train_sae(stream, SETTINGS, seed, tmp_path / str(seed))
    files = sorted(path.name for path in trained.iterdir())
    assert files == sorted(path.name for path in (tmp_path / "1").iterdir())
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (trained / name).read_bytes()
    name = "sae_weights.safetensors"
    assert (tmp_path / "2" / name).read_bytes() != (trained / name).read_bytes()


def test_a_short_training_explains_the_residuals_and_kills_few_features(stream, trained):
    quality = sae_quality(trained, stream)
    assert quality["dead_share"] < 0.2
    assert quality["explained_variance"] > 0.5


def test_quality_is_measured_by_hand(stream, trained):
    sae = SAE.load_from_disk(str(trained))
    x = stream[:300]
    with torch.no_grad():
        active = sae.encode(x).numpy().astype(float)
        decoded = active @ sae.W_dec.numpy().astype(float) + sae.b_dec.numpy()
    x = x.numpy().astype(float)
    quality = sae_quality(trained, stream[:300])
    explained = 1 - np.sum((decoded - x) ** 2) / np.sum((x - x.mean(0)) ** 2)
    assert quality["explained_variance"] == pytest.approx(explained, rel=1e-4)
    assert quality["l0"] == pytest.approx(np.count_nonzero(active) / 300, rel=1e-4)
    dead = np.mean([not active[:, feature].any() for feature in range(FEATURES)])
    assert quality["dead_share"] == pytest.approx(dead)
