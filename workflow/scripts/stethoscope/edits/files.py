"""Edits as files: PEFT adapters with alpha in B and the other layers absent (paper, eq. 3).

Such an adapter is exact in fp32, small, and loadable by anything that loads adapters. An edit that
is not low rank is a file of its differences instead.
"""

from __future__ import annotations

from pathlib import Path

from stethoscope.task_vectors.adapter import read_adapter, save_adapter
from stethoscope.task_vectors.task_vector import TaskVector

DIFFERENCES = "differences.safetensors"  # of an edit that is not low rank


def save_edit(folder: Path, edit: TaskVector, base_model: str) -> None:
    """Write an edit: a PEFT adapter, or the differences themselves where they are not low rank.

    base_model: as for `save_adapter`.
    """
    if all(delta.low_rank for delta in edit.modules.values()):
        save_adapter(folder, edit, base_model)
    else:
        edit.save(folder / DIFFERENCES)


def read_edit(folder: str | Path) -> TaskVector:
    """An edit as `save_edit` writes it, whichever of the two forms it has.

    Raises ValueError where the folder has both forms, or neither.
    """
    differences = Path(folder) / DIFFERENCES
    if not differences.exists():
        return read_adapter(folder)
    if (Path(folder) / "adapter_model.safetensors").exists():
        raise ValueError(f"{folder}: holds an adapter and {DIFFERENCES}: which is the edit?")
    return TaskVector.load(differences)
