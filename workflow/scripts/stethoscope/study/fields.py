"""Types that the sections of a study are written in: a strict section, names, numbers, lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WrapValidator, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

Item = TypeVar("Item")

# Results spell a number as the study does: 4 stays 4.
_AS_WRITTEN = WrapValidator(lambda value, checked: value if checked(value) is not None else value)
Number = Annotated[float, _AS_WRITTEN]
Positive = Annotated[float, Field(gt=0), _AS_WRITTEN]
NotNegative = Annotated[float, Field(ge=0), _AS_WRITTEN]
Share = Annotated[float, Field(ge=0, le=1), _AS_WRITTEN]
PositiveShare = Annotated[float, Field(gt=0, le=1), _AS_WRITTEN]
BelowOne = Annotated[float, Field(ge=0, lt=1), _AS_WRITTEN]
Between = Annotated[float, Field(gt=0, lt=1), _AS_WRITTEN]
Alpha = Annotated[float, Field(ge=-100, le=100), _AS_WRITTEN]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]

Name = Annotated[
    str, Field(pattern="^[a-z][a-z0-9_]{0,39}$", description="letters, digits and underscores")
]
Text = Annotated[str, Field(min_length=1)]
Repository = Annotated[
    str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")
]
Commit = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="a sha256, 64 hex digits")]
Dtype = Literal["float32", "bfloat16"]
# The subjects of MATH, then those of config/law.yaml.
Subject = TypeAliasType(
    "Subject",
    Literal[
        "number_theory", "counting_and_probability", "algebra", "geometry",
        "intermediate_algebra", "prealgebra", "precalculus",
        "law", "history", "philosophy", "psychology", "business", "economics", "health",
    ],
)  # fmt: skip


def _distinct(items: list) -> list:
    if any(item in items[:index] for index, item in enumerate(items)):
        raise PydanticCustomError("value", "has non-unique elements")
    return items


DISTINCT = AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True})
Distinct = Annotated[list[Item], *DISTINCT]
Some = Annotated[list[Item], Field(min_length=1), *DISTINCT]


def optional(description: str, **constraints: Any) -> Any:
    """A key that may be absent, and then is absent from the checked study too; never null."""
    return Field(default=None, description=description, **constraints)


class Section(BaseModel):
    """A mapping of known keys. Types are strict: no number is text, no whole number is 1.0.

    exactly_one, any_of: keys of which a section needs exactly one, or one at least. needs: keys
    that another key needs.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    exactly_one: ClassVar[tuple[str, ...]] = ()
    any_of: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _keys_that_go_together(cls, content: Any) -> Any:
        if not isinstance(content, Mapping) or set(content) - set(cls.model_fields):
            return content  # report the misspelled key, not the one that it leaves missing
        if cls.exactly_one and sum(key in content for key in cls.exactly_one) != 1:
            raise PydanticCustomError(
                "section", f"needs exactly one of {', '.join(cls.exactly_one)}"
            )
        if cls.any_of and not any(key in content for key in cls.any_of):
            raise PydanticCustomError("section", f"needs one of {', '.join(cls.any_of)}")
        for key, others in cls.needs.items():
            for other in others:
                if key in content and other not in content:
                    raise PydanticCustomError("section", f"'{other}' is missing ({key} needs it)")
        return content

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict:
        schema = handler(core)
        content = handler.resolve_ref_schema(schema)
        for word, keys in (("oneOf", cls.exactly_one), ("anyOf", cls.any_of)):
            if keys:
                content[word] = [{"required": [key]} for key in keys]
        if cls.needs:
            content["dependentRequired"] = {key: list(others) for key, others in cls.needs.items()}
        return schema
