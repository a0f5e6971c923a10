"""What becomes of a task vector before it is added: nothing, a projection, or a merge of several.

Paper, section 3 ("Why not project") and appendix E. numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stethoscope.edits.editing import matching_scale, projected, scaled
from stethoscope.edits.merging import METHODS
from stethoscope.edits.projection import StreamMap, stream_maps
from stethoscope.task_vectors.task_vector import TaskVector, combine


@dataclass(frozen=True)
class Transformed:
    """What an edit adds, before alpha.

    vector: the weighted sum of the task vectors in the selected layers. kept: what the transform
    leaves of it. maps: of a projection, by module name. scale: a factor beside alpha.
    """

    vector: TaskVector
    kept: TaskVector
    maps: Mapping[str, StreamMap] | None = None
    scale: float = 1.0


def transformed(
    parts: Mapping[str, TaskVector],
    recipe: Mapping[str, Any],
    basis: Mapping[int, np.ndarray] | int | None = None,
    gains: Mapping[str, np.ndarray] | None = None,
) -> Transformed:
    """The task vectors of an edit as its transform leaves them.

    parts: task vectors in the selected layers, by name. recipe: the edit's `vectors` (weight by
    name), `transform` and that transform's settings. basis: directions of a projection, by layer,
    or their number for the oracle. gains: of the norms, for the norm-aware reading.
    """
    vector, transform = combine(parts, recipe["vectors"]), recipe["transform"]
    if transform == "raw":
        return Transformed(vector, vector)
    if transform in METHODS:
        merged = METHODS[transform](parts, recipe["vectors"], **recipe["merging"])
        return Transformed(vector, TaskVector(merged, vector.base))
    how = recipe["projection"]
    complement = how["basis"] == "complement"
    maps = stream_maps(vector.modules, basis, how["reading"], complement, gains)
    kept = projected(vector, maps)
    if transform == "raw_matched":
        # the raw vector, shrunk to the norm that the projection has
        return Transformed(vector, scaled(vector, matching_scale(vector, kept)))
    scale = matching_scale(kept, vector) if how["match_norm"] else 1.0
    return Transformed(vector, kept, maps, scale)
