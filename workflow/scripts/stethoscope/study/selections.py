"""Settings of each layer selector, as its function declares them; docs/selectors.md."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Union, get_args

from pydantic import Field, create_model

from stethoscope.selection.registry import Selector
from stethoscope.selection.select import SELECTORS
from stethoscope.study.fields import DISTINCT, Count, Number, Section, optional


class Scored(Section):
    """A selector that scores each layer, and how layers are taken from the scores."""

    exactly_one: ClassVar = ("at_least", "top", "like")

    at_least: Number = optional("layers with this score or more")
    top: Count = optional("the layers with the highest scores")
    like: str = optional("as many layers as this selection has")
    lowest: bool = optional("the lowest scores instead of the highest")


def _section(selector: Selector) -> type[Section]:
    """The section of a study that holds a selector's settings."""
    settings = {
        key: (_distinct(kind), default) for key, (kind, default) in selector.settings().items()
    }
    by = (Literal[selector.name], ...)
    base = Scored if selector.scores else Section
    return create_model(selector.function.__name__, __base__=base, by=by, **settings)


def _distinct(kind: Any) -> Any:
    """The type, in which no list has a value twice."""
    lists = [part for part in (kind, *get_args(kind)) if getattr(part, "__origin__", None) is list]
    return Annotated[kind, *DISTINCT] if lists else kind


Selection = Annotated[
    Union[tuple(map(_section, SELECTORS.values()))],  # noqa: UP007
    Field(discriminator="by"),
]
