"""A long training goes on where it was interrupted: one file beside its output, gone at the end."""

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

    key: says what is trained, on what and how. A file that was written under another key, by an
    earlier version of a study for instance, is passed over.
    """

    path: Path
    key: str

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state, whole or not at all."""
        with atomic_path(self.path) as temporary:
            torch.save({"key": self.key, **state}, temporary)

    def load(self) -> dict[str, Any] | None:
        """What `save` wrote last, on the CPU; None where there is nothing to go on from."""
        if not self.path.exists():
            return None
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        return state if state.pop("key") == self.key else None

    def remove(self) -> None:
        """Forget the state, once the output is written."""
        self.path.unlink(missing_ok=True)
