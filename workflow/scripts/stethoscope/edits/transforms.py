"""Transforms of a task vector before it is added: none, a projection, or a merge of several.

Paper, section 3 ("Why not project") and appendix E. A transform is one function in `TRANSFORMS`.
numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from stethoscope.edits.merging import METHODS
from stethoscope.edits.projection import StreamMap, projected, stream_maps
from stethoscope.edits.spec import EditSpec
from stethoscope.task_vectors.task_vector import TaskVector, combine, scaled


@dataclass(frozen=True)
class Parts:
    """Arguments of a transform.

    vectors: task vectors in the selected layers, by name. spec: of the edit. directions: of a
    projection, (rank, d) by layer, or their number for the oracle. gains: of the norms by module,
    for the norm-aware reading.
    """

    vectors: Mapping[str, TaskVector]
    spec: EditSpec
    directions: Mapping[int, np.ndarray] | int | None = None
    gains: Mapping[str, np.ndarray] | None = None

    @cached_property
    def total(self) -> TaskVector:
        """The weighted sum of the task vectors."""
        return combine(self.vectors, self.spec.vectors)


@dataclass(frozen=True)
class Transformed:
    """The result of a transform, before alpha.

    vector: the weighted sum of the task vectors in the selected layers. kept: the part of it that
    the edit adds. maps: of a projection, by module name. scale: a factor beside alpha.
    """

    vector: TaskVector
    kept: TaskVector
    maps: Mapping[str, StreamMap] | None = None
    scale: float = 1.0


def raw(parts: Parts) -> Transformed:
    """The sum itself."""
    return Transformed(parts.total, parts.total)


def project(parts: Parts) -> Transformed:
    """The sum projected on directions of the residual stream; with the sum's norm if configured."""
    settings = parts.spec.projection
    complement = settings["basis"] == "complement"
    maps = stream_maps(
        parts.total.modules, parts.directions, settings["reading"], complement, parts.gains
    )
    kept = projected(parts.total, maps)
    scale = matching_scale(kept, parts.total) if settings["match_norm"] else 1.0
    return Transformed(parts.total, kept, maps, scale)


def raw_matched(parts: Parts) -> Transformed:
    """The sum scaled to the norm of its projection."""
    kept = project(parts).kept
    return Transformed(parts.total, scaled(parts.total, matching_scale(parts.total, kept)))


def merge(method: str, parts: Parts) -> Transformed:
    """The task vectors merged by one of `merging.METHODS`."""
    merged = METHODS[method](parts.vectors, parts.spec.vectors, **parts.spec.merging)
    return Transformed(parts.total, TaskVector(merged, parts.total.base))


TRANSFORMS: Mapping[str, Callable[[Parts], Transformed]] = {
    "raw": raw,
    "project": project,
    "raw_matched": raw_matched,
    **{method: partial(merge, method) for method in METHODS},
}


def matching_scale(edit: TaskVector, like: TaskVector) -> float:
    """Factor that gives an edit the norm of another; separates direction from size."""
    energy = edit.energy()
    if energy == 0:
        raise ValueError("the projection keeps nothing of the task vector, so no scale matches it")
    return float(np.sqrt(like.energy() / energy))
