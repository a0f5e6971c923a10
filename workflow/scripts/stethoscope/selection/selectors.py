"""Sets of layers to edit: the paper's, and the controls, under one signature.

A selector takes the number of layers and its settings. One that knows its set returns a sorted
list of layer numbers (SELECTORS); one that ranks layers returns a score of each (SCORES), of which
the highest are selected. Adding one is adding a function to either and a line of YAML.
docs/selectors.md says what each is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stethoscope.specificity.scores import (
    ProblemSums,
    feature_scores,
    specificity_table,
    subject_means,
)
from stethoscope.task_vectors.task_vector import TaskVector, layer_of

# How the layers are taken from a score of each: settings that every score shares.
PICKING = ("at_least", "top", "like", "lowest")


# Selectors that know their set ---------------------------------------------------------------


def by_all(n_layers: int) -> list[int]:
    """Every layer: the full merge."""
    return list(range(n_layers))


def by_range(n_layers: int, first: int, last: int) -> list[int]:
    """The window of layers first..last, both included (the paper's MID is 17-27)."""
    if not 0 <= first <= last < n_layers:
        raise ValueError(f"layers {first}-{last}: not a window of a model with {n_layers} layers")
    return list(range(first, last + 1))


def by_window(n_layers: int, at: str, like: list[int]) -> list[int]:
    """As many neighbouring layers as `like` has: the 'first', the 'middle' or the 'last' ones.

    Where the middle cannot be met exactly, it is the earlier of the two windows.
    """
    spare = n_layers - len(like)
    start = {"first": 0, "middle": spare // 2, "last": spare}[at]
    return list(range(start, start + len(like)))


def by_span(n_layers: int, of: list[int], margin: int = 0) -> list[int]:
    """From the lowest to the highest layer of a selection, and `margin` more on each side."""
    return list(range(max(0, min(of) - margin), min(n_layers, max(of) + margin + 1)))


def by_complement(n_layers: int, of: list[int]) -> list[int]:
    """Every layer that a selection leaves out."""
    return by_without(n_layers, by_all(n_layers), of)


def by_union(n_layers: int, of: Sequence[list[int]]) -> list[int]:
    """Every layer of several selections (the paper's UNION)."""
    return sorted(set().union(*of))


def by_without(n_layers: int, of: list[int], minus: list[int]) -> list[int]:
    """The layers of a selection that another one lacks (the paper's noDeep).

    Raises ValueError when none is left.
    """
    left = sorted(set(of) - set(minus))
    if not left:
        raise ValueError(f"no layer is left of {sorted(of)} without {sorted(minus)}")
    return left


def by_random(
    n_layers: int,
    like: list[int],
    draw: int,
    seed: int,
    within: list[int] | None = None,
    match_norm_of: TaskVector | None = None,
    candidates: int = 1000,
) -> list[int]:
    """The draw-th of a sequence of distinct random sets with as many layers as `like`.

    draw: 1, 2, ...; a set equal to `like` or to an earlier draw is drawn again, so that a control
    never is the thing it controls. within: draw from these layers only. match_norm_of: of
    `candidates` such sets (or of all, where there are fewer) the draw-th closest to `like` in
    sum_l ||tau_l||^2, so that the raw edits have nearly the same norm; equally close sets stay in
    the order of their drawing.

    Raises ValueError when there are not that many distinct sets.
    """
    band, own = list(range(n_layers)) if within is None else sorted(within), tuple(sorted(like))
    others = math.comb(len(band), len(own)) - (set(own) <= set(band))
    if match_norm_of is not None:
        others = min(others, candidates)
    if draw > others:
        raise ValueError(f"fewer than {draw} other sets of {len(own)} of {len(band)} layers exist")
    generator = np.random.default_rng(seed)
    drawn: dict[tuple[int, ...], None] = {}  # a set that keeps its order
    while len(drawn) < (draw if match_norm_of is None else others):
        places = generator.choice(len(band), size=len(own), replace=False).tolist()
        layers = tuple(sorted(band[place] for place in places))
        if layers != own:
            drawn[layers] = None
    sets = list(drawn)
    if match_norm_of is not None:
        energies = layer_energies(match_norm_of, n_layers)
        wanted = energies[list(own)].sum()
        sets.sort(key=lambda layers: abs(energies[list(layers)].sum() - wanted))
    return list(sets[draw - 1])


# Scores of layers ----------------------------------------------------------------------------


def by_specificity(n_layers: int, table: pd.DataFrame, score: str = "sp") -> np.ndarray:
    """SP of each layer, eq. (2) of the paper, or another column of the SP table.

    table: one row a layer, as `specificity.specificity_table` makes it.
    """
    if sorted(table["layer"]) != list(range(n_layers)):
        raise ValueError(f"specificity table: expected the layers 0-{n_layers - 1}, one row each")
    return table.set_index("layer")[score].sort_index().to_numpy(dtype=float)


def by_permuted_specificity(
    n_layers: int,
    sums: Sequence[ProblemSums],
    target: int,
    n_subjects: int,
    scoring: Mapping[str, Any],
    draw: int,
    seed: int,
    score: str = "sp",
) -> np.ndarray:
    """SP with the subjects' labels permuted over the problems: what SP says about no subject.

    Each subject keeps its number of problems, and one permutation serves all layers. sums: by
    layer. scoring: epsilon, unit, smoothing_quantile and threshold of SP. draw: 1, 2, ...; each a
    permutation of its own.
    """
    scoring = dict(scoring)
    threshold = scoring.pop("threshold")
    labels = np.random.default_rng([seed, draw]).permutation(sums[0].subjects)
    scores = {
        layer: feature_scores(replace(of, subjects=labels), target, n_subjects, **scoring)
        for layer, of in enumerate(sums)
    }
    return by_specificity(n_layers, specificity_table(scores, threshold), score)


def by_activation_magnitude(
    n_layers: int,
    sums: Sequence[ProblemSums],
    target: int,
    n_subjects: int,
    relative_to_others: bool = False,
) -> np.ndarray:
    """How much a layer's SAE features fire on the target in total: strength without specificity.

    The activation of a layer's features, summed over features, is the mean active value times L0
    of a token; averaged as in eq. (1), over tokens, then over the target's problems.
    sums: by layer, in the SAE's own units. relative_to_others: divided by the same of the other
    subjects, each counting the same; this takes out that activations grow with depth.
    """
    totals = np.array([subject_means(layer, n_subjects).sum(axis=1) for layer in sums])
    if not relative_to_others:
        return totals[:, target]
    return totals[:, target] / np.delete(totals, target, axis=1).mean(axis=1)


def by_task_vector_norm(
    n_layers: int,
    vector: TaskVector,
    relative_to_weights: bool = False,
    weights: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """||tau_l||_F over all modules of a layer: where fine-tuning itself changed most.

    relative_to_weights: divided by ||W_l||_F of the same modules of the base. weights: these, by
    module name; only needed then.
    """
    norms = np.sqrt(layer_energies(vector, n_layers))
    if not relative_to_weights:
        return norms
    sizes = np.zeros(n_layers)
    for name in vector.modules:
        sizes[layer_of(name)] += np.sum(weights[name].astype(np.float64) ** 2)
    return norms / np.sqrt(sizes)


def by_off_principal_energy(
    n_layers: int, vector: TaskVector, weights: Mapping[str, np.ndarray], rank: int
) -> np.ndarray:
    """Share of ||tau_l||^2 outside the principal subspaces of the base's weights (as in MAST).

    1 - ||U_k U_k^T tau V_k V_k^T||^2 / ||tau||^2, both summed over the modules of a layer; U_k, V_k
    hold the k = rank leading singular vectors of the module's weight.
    weights: (outputs, inputs) by module name.
    """
    kept = np.zeros(n_layers)
    for name, delta in vector.modules.items():
        left, _, right = np.linalg.svd(weights[name].astype(np.float64), full_matrices=False)
        # In the basis of the singular vectors tau is k x k, and its norm is that of the projection.
        core = delta.scale * (left[:, :rank].T @ delta.B) @ (delta.A @ right[:rank].T)
        kept[layer_of(name)] += np.sum(core**2)
    return 1 - kept / layer_energies(vector, n_layers)


def by_gain(n_layers: int, gains: pd.DataFrame, score: str) -> np.ndarray:
    """By how much a layer of the task vector lowers the loss on the subject's probe problems.

    gains: one row a layer, as `gains.layer_gains` makes it; score: one of its columns.
    """
    if sorted(gains["layer"]) != list(range(n_layers)):
        raise ValueError(f"gains: expected the layers 0-{n_layers - 1}, one row each")
    return gains.set_index("layer")[score].sort_index().to_numpy(dtype=float)


def layer_energies(vector: TaskVector, n_layers: int) -> np.ndarray:
    """(layers,) squared Frobenius norm of a task vector in each layer.

    Raises ValueError when the vector holds nothing for a layer.
    """
    energies = np.zeros(n_layers)
    for name, delta in vector.modules.items():
        energies[layer_of(name)] += delta.energy()
    if not energies.all():
        raise ValueError(f"the task vector is zero in layer {int(energies.argmin())}")
    return energies


def highest(
    scores: np.ndarray,
    at_least: float | None = None,
    top: int | None = None,
    like: list[int] | None = None,
    lowest: bool = False,
    name: str = "score",
) -> list[int]:
    """Layers whose score is high: at least a threshold, the `top` highest, as many as `like` has.

    Paper, section 3: SP >= 4. lowest: those with the lowest scores instead. Ties go to the earlier
    layer. name: what a message calls the score.
    """
    if at_least is not None:
        chosen = np.flatnonzero(scores >= at_least).tolist()
        if not chosen:
            best = int(scores.argmax())
            raise ValueError(
                f"no layer has {name} >= {at_least} (highest: {scores[best]:.2f} in layer "
                f"{best}); lower at_least"
            )
        return chosen
    ranked = np.argsort(scores if lowest else -scores, kind="stable")
    return sorted(ranked[: len(like) if top is None else top].tolist())


SELECTORS: Mapping[str, Callable[..., list[int]]] = {
    "all": by_all,
    "range": by_range,
    "window": by_window,
    "span": by_span,
    "complement": by_complement,
    "union": by_union,
    "without": by_without,
    "random": by_random,
}

SCORES: Mapping[str, Callable[..., np.ndarray]] = {
    "specificity": by_specificity,
    "n_features": partial(by_specificity, score="n_features"),
    "permuted_specificity": by_permuted_specificity,
    "activation_magnitude": by_activation_magnitude,
    "task_vector_norm": by_task_vector_norm,
    "off_principal_energy": by_off_principal_energy,
    "first_order_gain": partial(by_gain, score="first_order"),
    "add_one_in": partial(by_gain, score="add_one_in"),
    "leave_one_out": partial(by_gain, score="leave_one_out"),
}


def select_and_score(
    by: str, n_layers: int, **settings: Any
) -> tuple[list[int], list[float] | None]:
    """The layers that a selector picks, and the score of each layer where it ranks them.

    Raises ValueError when a score is not a finite number or not one a layer.
    """
    if by in SELECTORS:
        return SELECTORS[by](n_layers, **settings), None
    picking = {key: settings.pop(key) for key in PICKING if key in settings}
    name = settings.get("score", by)
    scores = SCORES[by](n_layers, **settings)
    if len(scores) != n_layers:
        raise ValueError(f"{name}: {len(scores)} scores for a model with {n_layers} layers")
    if not np.isfinite(scores).all():
        raise ValueError(f"{name} of layer {int(np.isfinite(scores).argmin())} is not finite")
    return highest(scores, name=name, **picking), scores.tolist()


def selected(n_layers: int, draws: int | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the file of a selection says was picked: `layers`, and `scores` where there are any.

    Of one with draws, these for each of them in a list `draws`. settings: those of
    `select_and_score` but `draw`.
    """

    def one(**drawn: int) -> dict[str, Any]:
        layers, scores = select_and_score(n_layers=n_layers, **settings, **drawn)
        return {"layers": layers} | ({} if scores is None else {"scores": scores})

    if draws is None:
        return one()
    return {"draws": [one(draw=draw) for draw in range(1, draws + 1)]}


def select(by: str, n_layers: int, **settings: Any) -> list[int]:
    """The layers that a selector picks."""
    return select_and_score(by, n_layers, **settings)[0]
