"""What an edit is made of. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

# What each merging method is told; each is a parameter of its function in `edits.merging`.
MERGING_NEEDS: Mapping[str, tuple[str, ...]] = {
    "ties": ("density",),
    "localize_and_stitch": ("density",),
    "dare": ("drop", "seed"),
}
# The key of an edit that holds the settings of its transform; raw has none.
SETTINGS_OF: Mapping[str, str] = {
    "project": "projection",
    "raw_matched": "projection",
    **dict.fromkeys(MERGING_NEEDS, "merging"),
}


@dataclass(frozen=True)
class EditSpec:
    """All that decides what an edit adds, but for the draw and alpha; nothing else of it does.

    vectors: weight of each task vector by name; none for the base. selection: name of the layers
    that it changes. search: name of the search whose alphas, one a layer, it takes.
    """

    vectors: Mapping[str, float]
    transform: str = "raw"
    selection: str | None = None
    search: str | None = None
    projection: Mapping[str, Any] | None = None
    merging: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, edit: Mapping[str, Any]) -> EditSpec:
        """The spec of a configured edit, whatever else is said about it."""
        return cls(**{f.name: edit[f.name] for f in fields(cls) if f.name in edit})

    def of_draw(self, draw: int | None) -> EditSpec:
        """The spec of one draw: its number where settings have a seed, and their count nowhere."""

        def drawn(settings: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
            if settings is None:
                return None
            number = {"draw": draw or 1} if "seed" in settings else {}
            return {key: value for key, value in settings.items() if key != "draws"} | number

        return replace(self, projection=drawn(self.projection), merging=drawn(self.merging))
