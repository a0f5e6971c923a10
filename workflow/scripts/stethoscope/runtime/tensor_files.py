"""Safetensors files: read whole or a part at a time, written a tensor at a time. numpy only.

numpy has no bfloat16, and a checkpoint's tensors are bfloat16: here they are read as fp32 (exact)
and rounded back. Errors are one line that names the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

# Bytes of a number, by the name that safetensors has for its type.
WIDTHS = {"BF16": 2, "F16": 2, "F32": 4}
_TYPES = {"BF16": np.dtype("<u2"), "F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
# Entries of a block: fresh memory for whole tensors takes three times as long.
BLOCK = 1 << 19
# Contents that a failed download leaves instead of weights, by their first bytes.
_INSTEAD = {
    b"version https://git-lfs": "a Git LFS pointer in place of the file: run git lfs pull",
    b"<!doctype": "a web page in place of the file",
    b"<html": "a web page in place of the file",
}


@dataclass(frozen=True)
class Place:
    """Location of a tensor: file, type by safetensors' name, shape, first byte."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """Its bytes. Raises ValueError for a type that is no plain floating-point one."""
        if self.dtype not in WIDTHS:
            known = ", ".join(WIDTHS)
            raise ValueError(f"{self.file}: holds weights of type {self.dtype} (known: {known})")
        return prod(self.shape) * WIDTHS[self.dtype]


class TensorFile:
    """An open safetensors file, which reads a tensor or a part of one on demand."""

    def __init__(self, path: str | Path, file: safe_open) -> None:
        self._path, self._file = path, file

    def keys(self) -> list[str]:
        """Names of the tensors."""
        return list(self._file.keys())

    def metadata(self) -> dict[str, str]:
        """Metadata of the file, empty if it has none."""
        return self._file.metadata() or {}

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor, from the header."""
        return tuple(self._file.get_slice(key).get_shape())

    @cached_property
    def _places(self) -> dict[str, Place]:
        return tensor_places(self._path)

    def read(self, key: str, part: slice | tuple[slice, ...] | None = None) -> np.ndarray:
        """A tensor, or a part of it, in its own type; fp32 where it is stored as BF16."""
        tensor = self._file.get_slice(key)
        if tensor.get_dtype() == "BF16":
            place = self._places[key]
            bits = np.memmap(place.file, _TYPES["BF16"], "r", place.start, place.shape)
            return to_float32(bits if part is None else bits[part], "BF16")
        return self._file.get_tensor(key) if part is None else tensor[part]


@contextmanager
def open_tensors(path: str | Path) -> Iterator[TensorFile]:
    """Open a safetensors file; a failure to read it is a ValueError, one line with its path."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            yield TensorFile(path, file)
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: a type unknown to numpy
        cause = _instead(path) or error
        raise ValueError(f"{path}: not readable as safetensors: {cause}") from None


def read_tensors(
    path: str | Path, keys: Collection[str] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of a safetensors file; errors name the file, values must be finite.

    keys: read only these, as far as the file has them; all when None.
    """
    with open_tensors(path) as file:
        wanted = [key for key in file.keys() if keys is None or key in keys]
        tensors = {key: file.read(key) for key in wanted}
        metadata = file.metadata()
    for key, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{path}: {key} holds a value that is not finite")
    return tensors, metadata


def tensor_places(path: str | Path) -> dict[str, Place]:
    """Location of each tensor of a safetensors file, by its key; reads the header only."""
    with open_tensors(path), open(path, "rb") as file:  # the first checks the header
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {
        key: Place(
            Path(path), entry["dtype"], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0]
        )
        for key, entry in header.items()
        if key != "__metadata__"
    }


def read_rows(place: Place, rows: slice = slice(None)) -> np.ndarray:
    """Some rows of a stored tensor in fp32, which holds each of the known types exactly.

    Raises ValueError for a value that is not finite.
    """
    first, last, _ = rows.indices(place.shape[0])
    row = place.size // place.shape[0]
    stored = np.fromfile(
        place.file,
        _TYPES[place.dtype],
        (last - first) * row // WIDTHS[place.dtype],
        offset=place.start + first * row,
    )
    values = to_float32(stored, place.dtype).reshape(last - first, *place.shape[1:])
    if not np.isfinite(values).all():
        raise ValueError(f"{place.file}: a weight holds a value that is not finite")
    return values


def to_float32(stored: np.ndarray, dtype: str) -> np.ndarray:
    """fp32 values of stored ones; those of BF16 are held as their 16 bits."""
    if dtype == "BF16":
        return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return stored.astype(np.float32, copy=False)


def from_float32(values: np.ndarray, dtype: str) -> np.ndarray:
    """fp32 values as they are stored: rounded to the nearest (ties to even), BF16 as 16 bits."""
    if dtype == "BF16":
        return (to_bfloat16(values).view(np.uint32) >> np.uint32(16)).astype(_TYPES[dtype])
    with np.errstate(over="ignore"):
        return values.astype(_TYPES[dtype])


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """fp32 values rounded to the nearest bfloat16 (ties to even), still held in fp32."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """The rows of a matrix in blocks of about BLOCK entries, in order."""
    step = max(1, BLOCK // max(1, columns))
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def write_tensors(
    path: str | Path,
    described: Mapping[str, tuple[str, tuple[int, ...]]],
    parts: Callable[[str], Iterable[np.ndarray]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a safetensors file of which one part of one tensor is in memory at a time.

    described: type and shape of each tensor by its key. parts: the stored values of the tensor
    with that key, in order. The bytes are those that safetensors itself writes.

    Raises ValueError when the parts of a tensor are more or fewer bytes than its shape has.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    order = sorted(described, key=lambda key: (-WIDTHS[described[key][0]], key))
    start, ends = 0, {}
    for key in order:
        dtype, shape = described[key]
        ends[key] = start + prod(shape) * WIDTHS[dtype]
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, ends[key]]}
        start = ends[key]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for key in order:
            for part in parts(key):
                file.write(memoryview(np.ascontiguousarray(part)).cast("B"))
            if file.tell() != 8 + len(text) + ends[key]:
                raise ValueError(f"{path}: {key}: not as many bytes as its shape has")


def _instead(path: str | Path) -> str | None:
    """Known content of a file that holds no tensors; None for any other."""
    try:
        with open(path, "rb") as file:
            start = file.read(100).lstrip().lower()
    except OSError:
        return None
    return next((content for head, content in _INSTEAD.items() if start.startswith(head)), None)
