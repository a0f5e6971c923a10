"""Tensors are read in parts and written one at a time, with the values and bytes of safetensors."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_torch

from stethoscope.runtime.tensor_files import (
    from_float32,
    read_rows,
    row_blocks,
    tensor_places,
    to_float32,
    write_tensors,
)

TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


@pytest.mark.parametrize("dtype", TYPES)
def test_rows_are_those_that_torch_reads(tmp_path, dtype):
    torch.manual_seed(0)
    stored = {"b": torch.randn(7, 5).to(TYPES[dtype]), "a": torch.randn(3).to(TYPES[dtype])}
    save_torch(stored, tmp_path / "x.safetensors", metadata={"format": "pt"})
    places = tensor_places(tmp_path / "x.safetensors")
    assert {key: place.shape for key, place in places.items()} == {"a": (3,), "b": (7, 5)}
    for rows in (slice(None), slice(2, 4), slice(6, 7)):
        found = read_rows(places["b"], rows)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, stored["b"][rows].float().numpy())
    np.testing.assert_array_equal(read_rows(places["a"]), stored["a"].float().numpy())


@pytest.mark.parametrize("dtype", TYPES)
def test_stored_values_are_rounded_as_torch_rounds(dtype):
    values = np.random.default_rng(0).normal(0, 0.03, 10_000).astype(np.float32)
    expected = torch.from_numpy(values).to(TYPES[dtype])
    stored = from_float32(values, dtype)
    assert stored.tobytes() == expected.view(torch.uint8).numpy().tobytes()
    np.testing.assert_array_equal(to_float32(stored, dtype), expected.float().numpy())


def test_a_value_that_is_not_finite_or_of_another_type_names_its_file(tmp_path):
    save_torch({"a": torch.tensor([[1.0, torch.inf]])}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="x.safetensors: a weight holds a value"):
        read_rows(tensor_places(tmp_path / "x.safetensors")["a"])
    save_torch({"a": torch.ones(2, 2, dtype=torch.int8)}, tmp_path / "y.safetensors")
    with pytest.raises(ValueError, match=r"y.safetensors: holds weights of type I8 \(known: BF16"):
        read_rows(tensor_places(tmp_path / "y.safetensors")["a"])
    (tmp_path / "z.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0notjson!")
    with pytest.raises(ValueError, match="z.safetensors: not readable"):
        tensor_places(tmp_path / "z.safetensors")


def test_a_file_written_tensor_by_tensor_has_the_bytes_that_safetensors_writes(tmp_path):
    generator = np.random.default_rng(0)
    held = {
        "b": generator.normal(size=(5, 3)).astype(np.float32),
        "a": generator.normal(size=(2, 2)).astype(np.float16),
        "ü": generator.normal(size=4).astype(np.float32),
    }
    save_file(held, tmp_path / "theirs", metadata={"about": 'a "word"'})
    described = {
        key: ("F16" if value.dtype == np.float16 else "F32", value.shape)
        for key, value in held.items()
    }
    write_tensors(
        tmp_path / "ours",
        described,
        lambda key: np.array_split(held[key], 2),
        {"about": 'a "word"'},
    )
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    loaded = load_file(tmp_path / "ours")
    np.testing.assert_array_equal(loaded["b"].numpy(), held["b"])
    with pytest.raises(ValueError, match="b: not as many bytes"):
        write_tensors(tmp_path / "ours", described, lambda key: [held[key][:1]])


@pytest.mark.parametrize("shape", [(1, 1), (10, 1 << 18), (3, 1 << 20), (4, 5)])
def test_blocks_of_rows_are_all_rows_once(shape):
    rows = [row for block in row_blocks(*shape) for row in range(shape[0])[block]]
    assert rows == list(range(shape[0]))
