"""Published SAEs, in the bytes of their releases, are read as sae-lens reads them.

Gemma Scope 2 and Llama Scope files are made here with the releases' own keys, shapes and types;
the oracle is sae-lens' loader of each release, fed from a cache of the hub with these files.
"""

import json
import os

import numpy as np
import pytest
import torch
from hub_files import save_gemma_scope
from sae_lens import SAE
from sae_lens.loading import pretrained_sae_loaders
from safetensors import safe_open
from safetensors.torch import save_file

from stethoscope.runtime.tensor_files import TensorFile
from stethoscope.saes.activations import encode
from stethoscope.saes.formats import check_sae, decoder_directions, load_decoder, load_encoder

WIDTH, FEATURES = 24, 96
GEMMA = ("google/gemma-scope-2-4b-it", "gemma-scope-2-4b-it-res-all")
LLAMA = {8: "fnlp/Llama3_1-8B-Base-LXR-8x", 32: "fnlp/Llama3_1-8B-Base-LXR-32x"}


def gemma_scope(folder, layer, l0=20, width=WIDTH, features=FEATURES, **changes):
    """Random weights in the layout of Gemma Scope 2."""
    generator = torch.Generator().manual_seed(layer)
    tensors = {
        "b_dec": torch.randn(width, generator=generator),
        "b_enc": torch.randn(features, generator=generator),
        "threshold": torch.rand(features, generator=generator) * 3,
        "w_dec": torch.randn(features, width, generator=generator),
        "w_enc": torch.randn(width, features, generator=generator),
    }
    save_gemma_scope(folder, layer, tensors, l0=l0, **changes)
    return folder


def llama_scope(folder, layer, expansion=8, norms=None, **changes):
    """Llama Scope: hyperparams.json, checkpoints/final.safetensors in bf16, transposed."""
    (folder / "checkpoints").mkdir(parents=True)
    features = expansion * WIDTH
    # sae-lens knows the average norm of each real layer: the file has to say the same.
    average = WIDTH**0.5 / scaling_factor(layer, expansion)
    config = {
        "dtype": "torch.bfloat16",
        "hook_point_in": f"blocks.{layer}.hook_resid_post",
        "hook_point_out": f"blocks.{layer}.hook_resid_post",
        "use_decoder_bias": True,
        "apply_decoder_bias_to_pre_encoder": False,
        "expansion_factor": expansion,
        "d_model": WIDTH,
        "d_sae": features,
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.75390625,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": average, "out": average},
        "sparsity_include_decoder_norm": True,
        "top_k": 50,
    } | changes
    (folder / "hyperparams.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(layer)
    decoder = torch.randn(WIDTH, features, generator=generator)
    decoder *= (torch.ones(features) if norms is None else norms) / decoder.norm(dim=0)
    tensors = {
        "decoder.bias": torch.randn(WIDTH, generator=generator),
        "decoder.weight": decoder,
        "encoder.bias": torch.randn(features, generator=generator),
        "encoder.weight": torch.randn(features, WIDTH, generator=generator) / 2,
    }
    tensors = {key: tensor.bfloat16() for key, tensor in tensors.items()}
    save_file(tensors, folder / "checkpoints/final.safetensors")
    return folder


def scaling_factor(layer, expansion):
    from sae_lens.loading.pretrained_saes_directory import get_norm_scaling_factor

    return get_norm_scaling_factor(f"llama_scope_lxr_{expansion}x", f"l{layer}r_{expansion}x")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Gives sae-lens the files of a folder for those of a hub repository; nothing is fetched."""

    def local(repo_id, filename, subfolder=None, **_):
        return os.path.join(tmp_path, *filter(None, (subfolder, filename)))

    def shapes(repo_id, filename):
        with safe_open(tmp_path / filename, framework="numpy") as file:
            return {key: file.get_slice(key).get_shape() for key in file.keys()}

    monkeypatch.setattr(pretrained_sae_loaders, "hf_hub_download", local)
    monkeypatch.setattr(pretrained_sae_loaders, "get_safetensors_tensor_shapes", shapes)
    return tmp_path


@pytest.fixture
def stream():
    return torch.randn(400, WIDTH, generator=torch.Generator().manual_seed(9)) * 2 + 0.5


def assert_same_activations(ours, expected, rtol=1e-4):
    """The same gates, but for pre-activations that lie at their threshold, and the same values."""
    same = (ours > 0) == (expected > 0)
    assert same.float().mean() > 0.999
    assert 0.02 < (ours > 0).float().mean() < 0.9
    torch.testing.assert_close(ours[same], expected[same], rtol=rtol, atol=1e-4)


@pytest.mark.parametrize("name", ["16k_l0_small", "16k_l0_big", "262k_l0_small", "262k_l0_big"])
def test_gemma_scope_is_read_as_sae_lens_reads_it(hub, stream, name):
    repository, release = GEMMA
    folder = gemma_scope(hub / f"resid_post_all/layer_17_width_{name}", 17)
    theirs = SAE.from_pretrained(release, f"layer_17_width_{name}")
    assert_same_activations(encode(load_encoder(folder), stream), theirs.encode(stream))
    decoder, some = load_decoder(folder), torch.rand(5, FEATURES)
    reconstructed = some.numpy() @ decoder.w_dec + decoder.b_dec
    expected = theirs.decode(some).detach().numpy()
    np.testing.assert_allclose(reconstructed, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(decoder_directions(folder, [5, 0]), decoder.w_dec[[5, 0]])


def test_the_files_made_here_have_the_layout_of_the_release(tmp_path):
    folder = gemma_scope(tmp_path / "sae", 17, l0=120, features=16384, width=4)
    assert len((folder / "config.json").read_bytes()) == 248  # as published
    with open(folder / "params.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    assert {entry["dtype"] for entry in header.values()} == {"F32"}
    # The same header with the release's shapes: its file has 335,686,016 bytes.
    end = 0
    for entry in header.values():
        entry["shape"] = [2560 if size == 4 else size for size in entry["shape"]]
        start, end = end, end + 4 * int(np.prod(entry["shape"]))
        entry["data_offsets"] = [start, end]
    size = len(json.dumps(header, separators=(",", ":")))
    assert 8 + size + -size % 8 + end == 335_686_016


@pytest.mark.parametrize("expansion", [8, 32])
def test_llama_scope_with_unit_decoders_is_read_as_sae_lens_reads_it(hub, stream, expansion):
    folder = llama_scope(hub / f"Llama3_1-8B-Base-L24R-{expansion}x", 24, expansion)
    theirs = SAE.from_pretrained(f"llama_scope_lxr_{expansion}x", f"l24r_{expansion}x")
    # sae-lens measures in units of the scaled residuals, and has rounded threshold and weights
    # (scaled and not) to bf16.
    expected = theirs.encode(stream).float() / scaling_factor(24, expansion)
    ours = encode(load_encoder(folder), stream)
    same = (ours > 0) == (expected > 0)
    assert same.float().mean() > 0.99 and 0.02 < (ours > 0).float().mean() < 0.9
    torch.testing.assert_close(ours[same], expected[same], rtol=0.02, atol=0.02)


@pytest.mark.parametrize("expansion", [8, 32])
def test_llama_scope_gates_in_units_of_its_decoder_norms(tmp_path, stream, expansion):
    norms = torch.linspace(0.3, 2.0, expansion * WIDTH)
    folder = llama_scope(tmp_path / "sae", 8, expansion, norms)
    # Upstream's own order, one feature at a time in fp64: standardize, unit norm, one threshold.
    with safe_open(folder / "checkpoints/final.safetensors", framework="pt") as file:
        weights = {key: file.get_tensor(key).double() for key in file.keys()}
    config = json.loads((folder / "hyperparams.json").read_text())
    scale = WIDTH**0.5 / config["dataset_average_activation_norm"]["in"]
    norms = weights["decoder.weight"].norm(dim=0)
    pre = (stream.double() @ weights["encoder.weight"].T + weights["encoder.bias"] / scale) * norms
    expected = torch.where(pre > config["jump_relu_threshold"], pre, 0).float()
    assert_same_activations(encode(load_encoder(folder), stream), expected)
    # Other gates than without the norms, so that leaving them out would be noticed.
    plain = pre / norms > config["jump_relu_threshold"]
    assert ((expected > 0) != plain).float().mean() > 0.02


def test_llama_scope_reconstructs_what_its_scaled_domain_does(tmp_path, stream):
    folder = llama_scope(tmp_path / "sae", 8, norms=torch.linspace(0.3, 2.0, 8 * WIDTH))
    with safe_open(folder / "checkpoints/final.safetensors", framework="pt") as file:
        weights = {key: file.get_tensor(key).double() for key in file.keys()}
    config = json.loads((folder / "hyperparams.json").read_text())
    scale = WIDTH**0.5 / config["dataset_average_activation_norm"]["in"]
    ours = encode(load_encoder(folder), stream)
    # In the domain that the SAE was trained in: scaled residuals in, scaled residuals out.
    scaled = (scale * stream).double() @ weights["encoder.weight"].T + weights["encoder.bias"]
    scaled = torch.where(ours > 0, scaled, 0)
    expected = (scaled @ weights["decoder.weight"].T + weights["decoder.bias"]) / scale
    decoder = load_decoder(folder)
    reconstructed = ours.numpy() @ decoder.w_dec + decoder.b_dec
    np.testing.assert_allclose(reconstructed, expected.numpy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(decoder.w_dec, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(decoder_directions(folder, [7, 2]), decoder.w_dec[[7, 2]])


def test_a_scan_reads_only_the_encoder_of_gemma_scope(tmp_path, monkeypatch):
    folder, read = gemma_scope(tmp_path / "sae", 3), []
    original = TensorFile.read
    monkeypatch.setattr(
        TensorFile, "read", lambda s, key, *a: read.append(key) or original(s, key, *a)
    )
    load_encoder(folder)
    assert sorted(read) == ["b_enc", "threshold", "w_enc"]


@pytest.mark.parametrize("make", [gemma_scope, llama_scope])
def test_an_sae_of_another_layer_or_width_is_refused(tmp_path, make):
    folder = make(tmp_path / "sae", 9)
    check_sae(folder, 9, WIDTH)
    with pytest.raises(ValueError, match=r"hook_point_in is '.*9\..*', expected '.*10\."):
        check_sae(folder, 10, WIDTH)
    with pytest.raises(ValueError, match="is for residuals of 24, the model's have 2560"):
        check_sae(folder, 9, 2560)


@pytest.mark.parametrize(
    "make, change",
    [
        (gemma_scope, {"architecture": "topk"}),
        (gemma_scope, {"affine_connection": True}),
        (gemma_scope, {"type": "transcoder"}),
        (llama_scope, {"norm_activation": "token-wise"}),
        (llama_scope, {"apply_decoder_bias_to_pre_encoder": True}),
        (llama_scope, {"sparsity_include_decoder_norm": False}),
        (llama_scope, {"act_fn": "topk"}),
    ],
)
def test_a_release_that_would_be_read_wrongly_is_refused(tmp_path, make, change):
    folder = make(tmp_path / "sae", 1, **change)
    ((key, value),) = change.items()
    with pytest.raises(ValueError, match=f"{key} is {value!r}, expected") as error:
        load_encoder(folder)
    assert "\n" not in str(error.value)


def test_a_folder_without_an_sae_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="no SAE .*cfg.json, config.json, hyperparams.json"):
        load_encoder(tmp_path)
