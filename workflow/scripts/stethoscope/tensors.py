"""Reading safetensors files, with errors of one line that name the file. numpy only."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open


@contextmanager
def open_tensors(path: str | Path) -> Iterator[safe_open]:
    """An open safetensors file; whatever cannot be read from it is one line that names it."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            yield file
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: numpy has no bfloat16
        raise ValueError(f"{path}: not readable as safetensors: {error}") from None


def read_tensors(
    path: str | Path, keys: Collection[str] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of a safetensors file; errors name the file, values must be finite.

    keys: read only these, as far as the file has them; all when None.
    """
    with open_tensors(path) as file:
        wanted = [key for key in file.keys() if keys is None or key in keys]
        tensors = {key: file.get_tensor(key) for key in wanted}
        metadata = file.metadata() or {}
    for key, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{path}: {key} holds a value that is not finite")
    return tensors, metadata
