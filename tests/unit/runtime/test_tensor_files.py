"""Tensors come as they were stored, bfloat16 included, or the file is named."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stethoscope.runtime.tensor_files import open_tensors, read_tensors


@pytest.fixture
def stored(tmp_path):
    torch.manual_seed(0)
    tensors = {
        "b": torch.randn(5, 7).to(torch.bfloat16),
        "a": torch.randn(3, dtype=torch.float32),
        "c": torch.randn(4, 6, dtype=torch.float16),
    }
    save_file(tensors, tmp_path / "x.safetensors")
    return tmp_path / "x.safetensors", tensors


def test_bfloat16_becomes_fp32_exactly_and_other_types_stay(stored):
    path, tensors = stored
    found, _ = read_tensors(path)
    assert {key: tensor.dtype for key, tensor in found.items()} == {
        "a": np.float32, "b": np.float32, "c": np.float16,
    }  # fmt: skip
    for key, tensor in tensors.items():
        np.testing.assert_array_equal(found[key].astype(np.float32), tensor.float().numpy())


@pytest.mark.parametrize("key", ["b", "c"])
@pytest.mark.parametrize("part", [slice(1, 3), (slice(None), slice(2, 4)), slice(3, 4)])
def test_a_part_of_a_tensor_is_that_part(stored, key, part):
    path, tensors = stored
    with open_tensors(path) as file:
        assert file.shape(key) == tuple(tensors[key].shape)
        part_read = file.read(key, part)
    np.testing.assert_array_equal(part_read, tensors[key].float().numpy()[part])


@pytest.mark.parametrize(
    "content, message",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "run git lfs pull"),
        (b"<!DOCTYPE html><title>404</title>", "a web page in place of the file"),
        (b"\x08\x00", "not readable"),
    ],
)
def test_what_stands_in_place_of_weights_is_named(tmp_path, content, message):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_tensors(tmp_path / "x.safetensors")
    assert "x.safetensors" in str(error.value) and "\n" not in str(error.value)
