"""Resuming of an interrupted training: one file beside its output, removed at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stethoscope.runtime.files import atomic_path


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after its last whole epoch.

    key: identifies model, data and settings. `load` ignores a file with another key, such as one
    of an earlier version of a study.
    """

    path: Path
    key: str

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state, whole or not at all."""
        with atomic_path(self.path) as temporary:
            torch.save({"key": self.key, **state}, temporary)

    def load(self) -> dict[str, Any] | None:
        """The state that `save` wrote last, on the CPU; None if there is none to resume."""
        if not self.path.exists():
            return None
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        return state if state.pop("key") == self.key else None

    def remove(self) -> None:
        """Remove the state, once the output is written."""
        self.path.unlink(missing_ok=True)
