"""Selectors by name: what a study says of each, and what each needs from earlier rules.

A selector is one function decorated with `selector`; it returns a sorted list of layers, or with
`scores=True` a score of each layer, of which the highest are taken. A study calls it by the
function's name without `by_`. Its parameters are

    n_layers     number of decoder layers,
    draw         1, 2, ... where it draws; the study then says `draws`, how many,
    its needs    what earlier rules made, loaded (needs.py),
    all others   settings that the study gives, checked against their annotated types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter, signature
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from stethoscope.selection.needs import NEEDS, Layers, Reference

SELECTORS: dict[str, Selector] = {}


class Settings(BaseModel):
    """What a study says of a selection."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ScoreSettings(Settings):
    """Settings of every selector that scores layers: which of the scores are taken."""

    at_least: Annotated[float, Field(description="layers with this score or more")] | None = None
    top: Annotated[int, Field(ge=1, description="as many layers as this")] | None = None
    like: Annotated[Layers, Field(description="as many layers as this selection has")] | None = None
    lowest: Annotated[bool, Field(description="lowest scores instead of the highest")] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ScoreSettings:
        if sum(way is not None for way in (self.at_least, self.top, self.like)) != 1:
            raise ValueError("needs exactly one of at_least, top, like")
        if self.lowest and self.at_least is not None:
            raise ValueError("lowest goes with top or like, not with at_least")
        return self


@dataclass(frozen=True)
class Selector:
    """A way to select layers. needs: keys of `NEEDS`; scores: it returns a score of each layer."""

    name: str
    function: Callable[..., Any]
    needs: tuple[str, ...]
    scores: bool

    @cached_property
    def settings(self) -> type[Settings]:
        """The model of its settings in a study."""
        base = ScoreSettings if self.scores else Settings
        return create_model(self.function.__name__, __base__=base, **self._fields())

    def references(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, Reference, list[str]]]:
        """(key, what it refers to, the names that it gives) of settings that name things."""
        for key, field in self.settings.model_fields.items():
            reference = _reference((field.annotation, *field.metadata))
            value = settings.get(key)
            if reference and value is not None and not isinstance(value, Mapping):
                yield key, reference, [value] if isinstance(value, str) else value

    def inputs(self, settings: Mapping[str, Any], n_layers: int) -> dict[str, list[str]]:
        """Files below a seed's folder that it reads, by its need or by the setting that names them.

        settings: checked ones.
        """
        files = {
            key: [reference.path.format(name) for name in names]
            for key, reference, names in self.references(settings)
            if reference.path
        }
        for need in [need for need in self.needs if NEEDS[need].path]:
            paths = [NEEDS[need].path.format(**settings, layer=k) for k in range(n_layers)]
            files[need] = list(dict.fromkeys(paths))  # one file, or one a layer
        return files

    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"by": (Literal[self.name], ...)}
        for need in self.needs:
            fields |= {key: (kind, ...) for key, kind in NEEDS[need].settings.items()}
        for key, parameter in signature(self.function).parameters.items():
            if key == "draw":
                fields["draws"] = (Annotated[int, Field(ge=1, description="how many to draw")], ...)
            elif key not in ("n_layers", *self.needs):
                required = parameter.default is Parameter.empty
                fields[key] = (parameter.annotation, ... if required else parameter.default)
        return fields


def selector(
    *, needs: tuple[str, ...] = (), scores: bool = False
) -> Callable[[Callable], Callable]:
    """Register a function as a selector; see the module's docstring."""

    def register(function: Callable) -> Callable:
        name = function.__name__.removeprefix("by_")
        SELECTORS[name] = Selector(name, function, needs, scores)
        return function

    return register


def _reference(annotation: Any) -> Reference | None:
    """The reference that an annotation holds, at any depth."""
    if isinstance(annotation, Reference):
        return annotation
    parts = annotation if isinstance(annotation, tuple) else get_args(annotation)
    return next(filter(None, map(_reference, parts)), None)
