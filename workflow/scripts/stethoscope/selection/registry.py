"""Selectors by name, with the settings and the results of earlier rules that each needs.

A selector is one function decorated with `selector`; it returns a sorted list of layers, or with
`scores=True` a score of each layer, of which the highest are taken. A study calls it by the
function's name without `by_`. Its parameters are

    n_layers     number of decoder layers,
    draw         1, 2, ... if it draws; the study then gives `draws`, their number,
    its needs    results of earlier rules, loaded (needs.py),
    all others   settings that the study gives, checked against their annotated types; a default of
                 None marks an optional key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Annotated, Any, get_args

from pydantic import Field

from stethoscope.selection.needs import NEEDS, Layers, Reference

SELECTORS: dict[str, Selector] = {}
Draws = Annotated[
    int, Field(ge=1, description="distinct sets, or permutations of the subjects' labels")
]


@dataclass(frozen=True)
class Selector:
    """A way to select layers. needs: keys of `NEEDS`; scores: it returns a score of each layer."""

    name: str
    function: Callable[..., Any]
    needs: tuple[str, ...] = ()
    scores: bool = False

    def settings(self) -> dict[str, tuple[Any, Any]]:
        """Annotated type and default (`...` for none) of each setting, by key.

        Without the settings that take layers from scores, which all selectors that score share.
        """
        settings = {
            key: (kind, ...) for need in self.needs for key, kind in NEEDS[need].settings.items()
        }
        for key, parameter in signature(self.function).parameters.items():
            if key == "draw":
                settings["draws"] = (Draws, ...)
            elif key not in ("n_layers", *self.needs):
                required = parameter.default is Parameter.empty
                settings[key] = (parameter.annotation, ... if required else parameter.default)
        return settings

    def references(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, Reference, list[str]]]:
        """(key, reference, names) of each setting that names objects of the study."""
        kinds = self.settings() | ({"like": (Layers, None)} if self.scores else {})
        for key, (kind, _) in kinds.items():
            reference, value = _reference(kind), settings.get(key)
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
    return next(filter(None, map(_reference, get_args(annotation))), None)
