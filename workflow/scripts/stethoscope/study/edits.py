"""Settings of an edit, of its transform and of a merge."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stethoscope.study.fields import (
    Alpha,
    BelowOne,
    Count,
    Distinct,
    Number,
    PositiveShare,
    Section,
    Seed,
    Some,
    Subject,
    optional,
)

# Rows of the paper's Tables 2, 3 and 5, as config/published/ names them.
PublishedConfiguration = Literal[
    "SP4 14L", "SP4 noDeep", "SP3.5 17L", "SP4 UNION", "MID 10L", "SP4.5 11L",
    "SAE Proj (16K, rank-3)", "SAE Proj (262K, rank-3)", "Raw TV (E3, 7 layers)",
    "Raw TV (SP4, 14 layers)", "DUAL MID+CP0.5", "v25 SP4 14L",
]  # fmt: skip


class Projection(Section):
    """projection on SAE decoder directions (section 3); docs/projection.md"""

    sae: str = optional("SAE of the directions; every basis but random and oracle needs one")
    rank: Count = Field(description="number of directions")
    basis: Literal["sae", "random", "oracle", "complement", "frequent", "random_features"] = Field(
        "sae",
        description="the directions: sae are those of the most specific features, complement is "
        "what they leave, the others are controls",
    )
    reading: Literal["both", "writers_only", "norm_aware", "unnormalized"] = Field(
        "both",
        description="how modules that write to the stream and those that read it are projected",
    )
    match_norm: bool = Field(False, description="scale the projection to the norm of the raw edit")
    draws: Count = optional("for the bases random and random_features")
    seed: Seed = Field(1, description="of the same two")


class Merging(Section):
    """settings of ties, dare and localize_and_stitch (appendix E); docs/merging.md"""

    density: PositiveShare = optional(
        "share of each vector's entries, the largest in the edited layers, that ties and "
        "localize_and_stitch keep"
    )
    drop: BelowOne = optional("probability with which dare drops an entry")
    seed: Seed = optional("of what dare drops")
    draws: Count = optional("of what dare drops")


class Edit(Section):
    """a sum of task vectors in some layers, at each alpha of a grid"""

    label: Annotated[str, Field(max_length=60)] = Field(
        description="name of the edit in the report"
    )
    role: Literal[
        "full", "ours", "random", "projection", "projection_matched", "other", "control"
    ] = Field(
        description="what the edit is for in the comparison; a control is only in the bench of "
        "layer selectors"
    )
    vectors: dict[str, Number] = Field(
        description="weight of each task vector in the sum", min_length=1
    )
    selection: str = Field(description="the layers that are edited")
    transform: Literal["raw", "project", "raw_matched", "ties", "dare", "localize_and_stitch"] = (
        Field(
            "raw",
            description="what happens to the task vectors before they are added: raw is their sum, "
            "raw_matched shrinks it to the norm of a projection, the last three are ways to merge "
            "vectors that interfere",
        )
    )
    projection: Projection = optional("settings of project and raw_matched")
    merging: Merging = optional("settings of ties, dare and localize_and_stitch")
    search: str = optional(
        "take the alphas by layer that this search has kept, one edit each; with a selection by "
        "all and alphas [1.0]"
    )
    choose_alpha_on: Some[Subject] = optional(
        "subjects whose validation accuracy chooses this edit's alpha; "
        "evaluation.choose_alpha_on unless given"
    )
    published: Distinct[PublishedConfiguration] = Field(
        [], description="configurations of the paper's Tables 2, 3 and 5 that this edit reproduces"
    )
    evaluate: bool = Field(
        True, description="evaluate the edit; without, only its energy is recorded, at each alpha"
    )
    sweep: bool = Field(
        False, description="evaluate the test problems at every alpha, not only at the chosen one"
    )
    checkpoint: bool = Field(
        False,
        description="write the whole edited model at the chosen alpha too; docs/checkpoints.md",
    )
    alphas: Some[Alpha] = Field(description="grid that alpha is chosen from")
