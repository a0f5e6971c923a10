"""The specification of an edit. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

# Settings of each merging method: parameters of its function in `edits.merging`.
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
    """All settings that decide what an edit adds, except its draw and alpha.

    vectors: weight of each task vector by name; none for the base. selection: name of the selection
    of edited layers. search: name of the search that gives alphas, one a layer.
    """

    vectors: Mapping[str, float]
    transform: str = "raw"
    selection: str | None = None
    search: str | None = None
    projection: Mapping[str, Any] | None = None
    merging: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, edit: Mapping[str, Any]) -> EditSpec:
        """The spec of a configured edit, without its other keys."""
        return cls(**{f.name: edit[f.name] for f in fields(cls) if f.name in edit})

    def of_draw(self, draw: int | None) -> EditSpec:
        """The spec of one draw: settings with a seed get its number, and all lose `draws`."""

        def drawn(settings: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
            if settings is None:
                return None
            number = {"draw": draw or 1} if "seed" in settings else {}
            return {key: value for key, value in settings.items() if key != "draws"} | number

        return replace(self, projection=drawn(self.projection), merging=drawn(self.merging))
