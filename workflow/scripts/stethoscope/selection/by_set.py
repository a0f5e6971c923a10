"""Selectors of a set of layers: from other selections, by depth, or at random."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from stethoscope.selection.needs import Layers, LayersOrWindow, Like, Seed, Vector
from stethoscope.selection.registry import selector
from stethoscope.task_vectors.task_vector import layer_energies

_OF = Field(description="name of another selection without draws; union takes several")
Of = Annotated[Layers, _OF]
First = Annotated[int, Field(ge=0, description="its first layer, counted from 0")]
Last = Annotated[int, Field(ge=0, description="its last layer")]


@selector()
def by_all(n_layers: int) -> list[int]:
    """Every layer: the full merge."""
    return list(range(n_layers))


@selector()
def by_range(n_layers: int, first: First, last: Last) -> list[int]:
    """The window of layers first..last, both included (the paper's MID is 17-27)."""
    if not 0 <= first <= last < n_layers:
        raise ValueError(f"layers {first}-{last}: not a window of a model with {n_layers} layers")
    return list(range(first, last + 1))


@selector()
def by_window(
    n_layers: int,
    at: Annotated[
        Literal["first", "middle", "last"], Field(description="which neighbouring layers")
    ],
    like: Like,
) -> list[int]:
    """As many neighbouring layers as `like` has: the 'first', the 'middle' or the 'last' ones.

    Of two equally central windows the middle is the earlier.
    """
    spare = n_layers - len(like)
    start = {"first": 0, "middle": spare // 2, "last": spare}[at]
    return list(range(start, start + len(like)))


@selector()
def by_span(
    n_layers: int,
    of: Of,
    margin: Annotated[int, Field(ge=0, description="layers more on each side")] = 0,
) -> list[int]:
    """From the lowest to the highest layer of a selection, and `margin` more on each side."""
    return list(range(max(0, min(of) - margin), min(n_layers, max(of) + margin + 1)))


@selector()
def by_complement(n_layers: int, of: Of) -> list[int]:
    """Every layer that a selection leaves out."""
    return by_without(n_layers, by_all(n_layers), of)


@selector()
def by_union(
    n_layers: int,
    of: Annotated[list[Layers], Field(min_length=2), _OF],
) -> list[int]:
    """Every layer of several selections (the paper's UNION)."""
    return sorted(set().union(*of))


@selector()
def by_without(
    n_layers: int,
    of: Of,
    minus: Annotated[Layers, Field(description="name of the selection whose layers are left out")],
) -> list[int]:
    """The layers of a selection that another one lacks (the paper's noDeep).

    Raises ValueError when none is left.
    """
    left = sorted(set(of) - set(minus))
    if not left:
        raise ValueError(f"no layer is left of {sorted(of)} without {sorted(minus)}")
    return left


@selector()
def by_random(
    n_layers: int,
    like: Like,
    draw: int,
    seed: Seed,
    within: Annotated[
        LayersOrWindow,
        Field(description="draw from these layers only: a selection's, or those of a window"),
    ] = None,
    match_norm_of: Annotated[
        Vector,
        Field(
            description="take the draws whose edits of this task vector have the norm closest to "
            "that of `like`"
        ),
    ] = None,
    candidates: Annotated[
        int,
        Field(
            ge=1,
            description="distinct sets among which the closest are looked for; 1000 unless given",
        ),
    ] = None,
) -> list[int]:
    """The draw-th of a sequence of distinct random sets with as many layers as `like`.

    draw: 1, 2, ...; a set equal to `like` or to an earlier draw is drawn again, so that no
    control equals its original. within: draw from these layers only. match_norm_of: of
    `candidates` such sets (1000 unless given, or all where there are fewer) the draw-th closest to
    `like` in sum_l ||tau_l||^2, so that the raw edits have nearly the same norm; equally close sets
    stay in the order of their drawing.

    Raises ValueError when there are not that many distinct sets.
    """
    if isinstance(within, Mapping):
        within = range(within["first"], within["last"] + 1)
    band, own = list(range(n_layers)) if within is None else sorted(within), tuple(sorted(like))
    others = math.comb(len(band), len(own)) - (set(own) <= set(band))
    if match_norm_of is not None:
        others = min(others, candidates or 1000)
    if draw > others:
        raise ValueError(f"fewer than {draw} other sets of {len(own)} of {len(band)} layers exist")
    generator = np.random.default_rng(seed)
    drawn: dict[tuple[int, ...], None] = {}  # a set that keeps its order
    while len(drawn) < (draw if match_norm_of is None else others):
        positions = generator.choice(len(band), size=len(own), replace=False).tolist()
        layers = tuple(sorted(band[position] for position in positions))
        if layers != own:
            drawn[layers] = None
    sets = list(drawn)
    if match_norm_of is not None:
        energies = layer_energies(match_norm_of, n_layers)
        wanted = energies[list(own)].sum()
        sets.sort(key=lambda layers: abs(energies[list(layers)].sum() - wanted))
    return list(sets[draw - 1])
