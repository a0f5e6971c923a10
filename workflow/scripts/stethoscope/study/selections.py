"""Settings of each selector of layers; `by` names it, docs/selectors.md says what it is for."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from stethoscope.study.fields import Count, Number, Section, Seed, Some, Subject, optional

_OF = Field(description="name of another selection without draws; union takes several")
_LIKE = "as many layers as this selection has"
_SAE = Field(description="SAE whose features are measured")
_VECTOR = Field(description="the task vector that is measured")
_SUBJECT = Field(description="the subject that is scored")
_DRAWS = Field(description="distinct sets, or permutations of the subjects' labels")
_SEED = Field(description="of the draws")
_SCORE = Field("sp", description="sp is eq. (2); sp_smooth its smoothed variant")


class Window(Section):
    """a window of layers, both ends included"""

    first: Seed = Field(description="its first layer, counted from 0")
    last: Seed = Field(description="its last layer")


class All(Section):
    by: Literal["all"]


class Range(Window):
    by: Literal["range"]


class Neighbours(Section):
    by: Literal["window"]
    at: Literal["first", "middle", "last"] = Field(description="which neighbouring layers")
    like: str = Field(description=_LIKE)


class Span(Section):
    by: Literal["span"]
    of: str = _OF
    margin: Seed = Field(0, description="layers more on each side")


class Complement(Section):
    by: Literal["complement"]
    of: str = _OF


class Union(Section):
    by: Literal["union"]
    of: Annotated[Some[str], Field(min_length=2)] = _OF


class Without(Section):
    by: Literal["without"]
    of: str = _OF
    minus: str = Field(description="name of the selection whose layers are left out")


def _kind(value: Any) -> str | None:
    return {str: "string", dict: "object", Window: "object"}.get(type(value))


class Random(Section):
    by: Literal["random"]
    like: str = Field(description=_LIKE)
    draws: Count = _DRAWS
    seed: Seed = _SEED
    within: Annotated[
        Annotated[str, Tag("string")] | Annotated[Window, Tag("object")],
        Discriminator(
            _kind, custom_error_type="value", custom_error_message="is not text or a mapping"
        ),
    ] = optional("draw from these layers only: a selection's, or those of a window")
    match_norm_of: str = optional(
        "take the draws whose edits of this task vector have the norm closest to that of `like`"
    )
    candidates: Count = optional(
        "distinct sets among which the closest are looked for; 1000 unless given"
    )


class Scored(Section):
    """A selector that scores each layer, and how layers are taken from the scores."""

    exactly_one: ClassVar = ("at_least", "top", "like")

    at_least: Number = optional("layers with this score or more")
    top: Count = optional("the layers with the highest scores")
    like: str = optional(_LIKE)
    lowest: bool = optional("the lowest scores instead of the highest")


class Specificity(Scored):
    by: Literal["specificity"]
    sae: str = _SAE
    subject: Subject = _SUBJECT
    score: Literal["sp", "sp_smooth"] = _SCORE


class NumberOfFeatures(Scored):
    by: Literal["n_features"]
    sae: str = _SAE
    subject: Subject = _SUBJECT


class PermutedSpecificity(Specificity):
    by: Literal["permuted_specificity"]
    draws: Count = _DRAWS
    seed: Seed = _SEED


class ActivationMagnitude(Scored):
    by: Literal["activation_magnitude"]
    sae: str = _SAE
    subject: Subject = _SUBJECT
    relative_to_others: bool = Field(False, description="divide by the same of the other subjects")


class TaskVectorNorm(Scored):
    by: Literal["task_vector_norm"]
    vector: str = _VECTOR
    relative_to_weights: bool = Field(False, description="divide by the norm of the base's weights")


class OffPrincipalEnergy(Scored):
    by: Literal["off_principal_energy"]
    vector: str = _VECTOR
    rank: Count = Field(description="singular vectors of each weight that count as principal")


class Gain(Scored):
    by: Literal["first_order_gain", "add_one_in", "leave_one_out"]
    vector: str = _VECTOR
    subject: Subject = _SUBJECT


Selection = Annotated[
    All | Range | Neighbours | Span | Complement | Union | Without | Random | Specificity
    | NumberOfFeatures | PermutedSpecificity | ActivationMagnitude | TaskVectorNorm
    | OffPrincipalEnergy | Gain,
    Field(discriminator="by"),
]  # fmt: skip
