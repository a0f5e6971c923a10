"""Inputs of selectors: objects that a setting names, and results of earlier rules.

Rules import this module, so that pandas is imported in functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_core import core_schema

from stethoscope.models.weights import read_weights
from stethoscope.runtime.files import read_json
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.task_vectors.task_vector import TaskVector

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Reference:
    """A setting whose value in a study is the name of an object that the study defines.

    section: of the study, which defines it. path: of its file below a seed's folder, with {} for
    the name; a selector gets what `load` reads from it, or the name if there is no path.
    """

    section: str
    path: str = ""
    load: Callable[[str], Any] = str

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.str_schema(strict=True)


class Window(BaseModel):
    """a window of layers, both ends included"""

    model_config = ConfigDict(extra="forbid", strict=True)
    first: Annotated[int, Field(ge=0, description="its first layer, counted from 0")]
    last: Annotated[int, Field(ge=0, description="its last layer")]


class SubjectSums(NamedTuple):
    """Activation sums by layer; the index of the target, and the number of subjects."""

    layers: Sequence[ProblemSums]
    target: int
    n_subjects: int


@dataclass(frozen=True)
class Need:
    """A result of earlier rules. settings: keys that identify it in a study.

    path: of its file below a seed's folder, holding these keys and, where there is a file a layer,
    {layer}; empty where the study itself holds it. load: makes it from the paths, the settings of
    the selection, and the study's subjects.
    """

    path: str
    settings: Mapping[str, Any]
    load: Callable[[list[str], Mapping[str, Any], list[str]], Any]


def _table(paths: list[str], *_: Any) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(paths[0], sep="\t")


def _sums(paths: list[str], settings: Mapping[str, Any], subjects: list[str]) -> SubjectSums:
    layers = [ProblemSums.load(path) for path in paths]
    return SubjectSums(layers, subjects.index(settings["subject"]), len(subjects))


def _weights(paths: list[str], *_: Any) -> Callable[[list[str]], Mapping[str, np.ndarray]]:
    return partial(read_weights, Path(paths[0]).parent)


Layers = Annotated[
    Any, Reference("selections", "selections/{}.json", lambda path: read_json(path)["layers"])
]
Like = Annotated[Layers, Field(description="as many layers as this selection has")]
Vector = Annotated[Any, Reference("vectors", "vectors/{}.safetensors", TaskVector.load)]
VectorName = Annotated[
    str, Reference("vectors"), Field(description="the task vector that is measured")
]
SubjectName = Annotated[str, Reference("subjects"), Field(description="the subject that is scored")]
SaeName = Annotated[str, Reference("saes"), Field(description="SAE whose features are measured")]
Seed = Annotated[int, Field(ge=0, description="of the draws")]
_KINDS = {str: "string", dict: "object", Window: "object"}
LayersOrWindow = Annotated[
    Annotated[Layers, Tag("string")] | Annotated[Window, Tag("object")],
    Discriminator(
        lambda value: _KINDS.get(type(value)),
        custom_error_type="value",
        custom_error_message="is not text or a mapping",
    ),
]

_OF_SAE = {"sae": SaeName, "subject": SubjectName}
_SUMS = "specificity/{sae}/activations/layer_{layer}.safetensors"

NEEDS = {
    "sp_table": Need("specificity/{sae}/{subject}.tsv", _OF_SAE, _table),
    "activation_sums": Need(_SUMS, _OF_SAE, _sums),
    "scoring": Need("", {}, lambda paths, settings, subjects: settings["scoring"]),
    "loss_gains": Need(
        "gains/{vector}/{subject}.tsv", {"vector": VectorName, "subject": SubjectName}, _table
    ),
    "base_weights": Need("model/manifest.json", {}, _weights),
}
