"""Checkpoints: the base with an edit written into its weights (paper, eq. 3).

The base's files are copied byte for byte. Only the edited tensors are computed, in fp32, and
written at their old offsets in their old type, so that headers, index, and every other tensor stay
as they are. Rounding to bfloat16 loses part of a small edit; the record says how much. numpy
only.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from stethoscope.runtime.files import (
    MANIFEST,
    atomic_folder,
    read_json,
    sha256_file,
    write_json,
    write_table,
)
from stethoscope.runtime.tensor_files import (
    Place,
    from_float32,
    read_rows,
    row_blocks,
    tensor_places,
    to_float32,
)
from stethoscope.task_vectors.delta import Delta
from stethoscope.task_vectors.task_vector import (
    TaskVector,
    check_base,
    check_fits,
    layer_of,
    part_of,
    spelled_as_on_disk,
)

RECORD = "export.tsv"
DESCRIPTION = "export.json"
_CLONE = 0x40049409  # FICLONE of Linux: the copy shares the blocks of the original until written
_WRITE = 1 << 17


def export_checkpoint(
    base: str | Path,
    edit: TaskVector,
    target: str | Path,
    description: Mapping | None = None,
    hard_links: bool = False,
) -> pd.DataFrame:
    """Write the base with an edit in it as a model folder of its own; the record, a row a tensor.

    The folder has the files that the base's manifest lists, and beside them the record
    (export.tsv), its sums with `description` (export.json) and a manifest. It appears whole or
    not at all. About a megabyte of one tensor is in memory at a time.

    base: model folder with its manifest. edit: with alpha in it. description: more
    entries of export.json. hard_links: link the files that hold no edited tensor instead of copying
    them; a program that later overwrites one of them changes the base too.

    Columns of the record: `dtype` as stored; `entries`; `energy_edit`, `landed` and `inner`:
    squared norm of the intended difference and of the one between the stored weights, and their
    inner product; `unchanged`: entries whose stored value did not move.

    Raises ValueError when the edit is empty or zero, was made for another base, names a tensor that
    the base lacks or in another shape; when a file of the base is not what its manifest says; and
    when an edit leaves a tensor as it was because it is below what the type resolves, or takes it
    out of the type's range.
    """
    base, rows = Path(base), []
    if edit.energy() == 0:
        raise ValueError(f"{target}: the edit changes nothing, its checkpoint is the base, {base}")
    check_base(edit, base, target)
    edit = spelled_as_on_disk(edit, base, target)
    check_fits(edit, base, target)
    with atomic_folder(target) as folder:
        for name, digest in read_json(base / MANIFEST)["files"].items():
            source, copy = base / name, folder / name
            if sha256_file(source) != digest:
                raise ValueError(f"{source}: changed since {base / MANIFEST} was written (sha256)")
            copy.parent.mkdir(parents=True, exist_ok=True)
            edited = _edited_in(source, edit)
            if hard_links and not edited:
                os.link(source.resolve(), copy)
            else:
                rows += _copy_edited(source, copy, edited, edit)
        record = pd.DataFrame(rows).sort_values(["layer", "module"], ignore_index=True)
        write_table(folder / RECORD, record)
        write_json(folder / DESCRIPTION, {**(description or {}), "landed": export_summary(record)})
    return record


def export_summary(record: pd.DataFrame) -> dict:
    """Landed energy over all tensors of an edit: shares as in `energy.energy_summary`."""
    total = record[["entries", "energy_edit", "landed", "inner", "unchanged"]].sum()
    return {
        "tensors": len(record),
        "dtypes": sorted(set(record["dtype"])),
        "energy_edit": float(total["energy_edit"]),
        "landed_energy": float(total["landed"] / total["energy_edit"]),
        "landed_cosine": float(total["inner"] / np.sqrt(total["landed"] * total["energy_edit"])),
        "unchanged": float(total["unchanged"] / total["entries"]),
    }


def _edited_in(path: Path, edit: TaskVector) -> dict[str, Place]:
    """The edited tensors that a file holds, by module name, in the order in which they lie."""
    if path.suffix != ".safetensors":
        return {}
    stored = tensor_places(path)
    held = {name: stored[f"{name}.weight"] for name in edit.modules if f"{name}.weight" in stored}
    return dict(sorted(held.items(), key=lambda item: item[1].start))


def _copy_edited(
    source: Path, target: Path, edited: Mapping[str, Place], edit: TaskVector
) -> list[dict]:
    """Copy a file with some tensors edited; a row of the record for each.

    Bytes between them are copied within the kernel, or not at all where the file system can share
    them; the edited tensors are written once.
    """
    rows, done = [], 0
    with open(source, "rb") as old, open(target, "wb") as new:
        shared = _cloned(old.fileno(), new.fileno())
        for name, tensor in edited.items():
            if not shared:
                _copy_range(old.fileno(), new.fileno(), done, tensor.start)
            rows.append(_write_edited(new.fileno(), name, tensor, edit.modules[name].in_memory()))
            done = tensor.start + tensor.size
        if not shared:
            _copy_range(old.fileno(), new.fileno(), done, os.fstat(old.fileno()).st_size)
    return rows


def _write_edited(file: int, name: str, tensor: Place, delta: Delta) -> dict:
    """Overwrite W with stored(W + edit), and return its row of the record."""
    sums = {"energy_edit": 0.0, "landed": 0.0, "inner": 0.0, "unchanged": 0}
    start = tensor.start
    for rows in row_blocks(*tensor.shape):
        before = read_rows(tensor, rows)
        intended = delta.dense(rows)
        stored = from_float32(before + intended, tensor.dtype)
        after = to_float32(stored, tensor.dtype)
        if not np.isfinite(after).all():
            raise ValueError(f"{tensor.file}: {name} plus the edit is not finite as {tensor.dtype}")
        start = _write(file, stored, start)
        landed = after.astype(np.float64) - before
        sums["energy_edit"] += float(np.sum(intended.astype(np.float64) ** 2))
        sums["landed"] += float(np.sum(landed**2))
        sums["inner"] += float(np.sum(landed * intended))
        sums["unchanged"] += int(np.sum(landed == 0))
    entries = tensor.shape[0] * tensor.shape[1]
    if sums["unchanged"] == entries and sums["energy_edit"] > 0:
        raise ValueError(
            f"{tensor.file}: no entry of {name} moves: the edit is too small to be stored in "
            f"{tensor.dtype}"
        )
    row = {"layer": layer_of(name), "module": part_of(name), "dtype": tensor.dtype}
    return row | {"entries": entries} | sums


def _write(file: int, values: np.ndarray, start: int) -> int:
    """Write values from an offset on, and return their end. Large writes are slower than small."""
    content = memoryview(np.ascontiguousarray(values)).cast("B")
    while content:
        written = os.pwrite(file, content[:_WRITE], start)
        content, start = content[written:], start + written
    return start


def _cloned(old: int, new: int) -> bool:
    """Whether the file system could make one file share the blocks of the other (XFS, btrfs)."""
    try:
        fcntl.ioctl(new, _CLONE, old)
    except OSError:
        return False
    return True


def _copy_range(old: int, new: int, first: int, last: int) -> None:
    """Copy a range of bytes of one file to the same offsets of another, within the kernel."""
    os.lseek(new, first, os.SEEK_SET)
    while first < last:
        copied = os.sendfile(new, old, first, last - first)
        if not copied:
            raise ValueError(f"the file ends at byte {first}, {last} were expected")
        first += copied
