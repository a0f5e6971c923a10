"""Reading safetensors files, with errors of one line that name the file. numpy only.

numpy has no bfloat16, which pretrained weights are stored in: such tensors come as fp32, exactly.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

_START = 200  # bytes that tell a pointer or a web page from weights
_INSTEAD = {
    b"version https://git-lfs": "a Git LFS pointer in place of the file: run git lfs pull",
    b"<!doctype": "a web page in place of the file",
    b"<html": "a web page in place of the file",
}


class TensorFile:
    """An open safetensors file; a tensor is read only when it is asked for, whole or in part."""

    def __init__(self, path: Path, file: safe_open) -> None:
        self._path, self._file = path, file

    def keys(self) -> list[str]:
        """Names of the tensors."""
        return list(self._file.keys())

    def metadata(self) -> dict[str, str]:
        """What the file says about itself."""
        return self._file.metadata() or {}

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor, from the header."""
        return tuple(self._file.get_slice(key).get_shape())

    def read(self, key: str, part: slice | tuple[slice, ...] | None = None) -> np.ndarray:
        """A tensor, or a part of it, in its own type; fp32 where it is stored as bfloat16."""
        tensor = self._file.get_slice(key)
        if tensor.get_dtype() == "BF16":
            bits = self._bits(key, self.shape(key))[... if part is None else part].astype(np.uint32)
            bits <<= np.uint32(16)
            return bits.view(np.float32)
        return self._file.get_tensor(key) if part is None else tensor[part]

    def _bits(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """The 16 bits of each entry, mapped from the file."""
        with open(self._path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            start = json.loads(file.read(size))[key]["data_offsets"][0]
        return np.memmap(self._path, np.uint16, "r", 8 + size + start, shape)


@contextmanager
def open_tensors(path: str | Path) -> Iterator[TensorFile]:
    """An open safetensors file; whatever cannot be read from it is one line that names it."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            yield TensorFile(Path(path), file)
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: a type unknown to numpy
        found = _instead(path) or error
        raise ValueError(f"{path}: not readable as safetensors: {found}") from None


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


def _instead(path: str | Path) -> str | None:
    """What a download that went wrong left in the place of weights."""
    try:
        with open(path, "rb") as file:
            start = file.read(_START).lstrip().lower()
    except OSError:
        return None
    return next((what for head, what in _INSTEAD.items() if start.startswith(head)), None)
