"""Selection of layers by any selector: its inputs, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stethoscope.selection import by_score, by_set  # noqa: F401  they register their selectors
from stethoscope.selection.needs import NEEDS
from stethoscope.selection.registry import SELECTORS
from stethoscope.specificity.choice import Choice


def load_given(
    settings: Mapping[str, Any], files: Mapping[str, list[str]], subjects: list[str]
) -> dict[str, Any]:
    """Arguments of `select_and_score`: settings, the objects that they name, and the needs.

    settings: of the study. files: those of `Selector.inputs`, as paths that exist. subjects: the
    study's, in the order of the activation sums' indices.
    """
    selector = SELECTORS[settings["by"]]
    of_needs = {key for need in selector.needs for key in NEEDS[need].settings}
    given = {key: value for key, value in settings.items() if key not in of_needs}
    for key, reference, _ in selector.references(given):
        if reference.path:
            loaded = [reference.load(path) for path in files[key]]
            given[key] = loaded[0] if isinstance(settings[key], str) else loaded
    for need in selector.needs:
        given[need] = NEEDS[need].load(list(files.get(need, [])), settings, subjects)
    return given


def select_and_score(by: str, n_layers: int, **given: Any) -> tuple[list[int], list[float] | None]:
    """The layers that a selector selects, and the score of each layer if it scores them.

    Raises ValueError when a score is not a finite number or not one a layer.
    """
    selector = SELECTORS[by]
    if not selector.scores:
        return selector.function(n_layers, **given), None
    taking = {key: given.pop(key) for key in ("at_least", "top", "like", "lowest") if key in given}
    name = given.get("score", by)
    scores = selector.function(n_layers, **given)
    if len(scores) != n_layers:
        raise ValueError(f"{name}: {len(scores)} scores for a model with {n_layers} layers")
    if not np.isfinite(scores).all():
        raise ValueError(f"{name} of layer {int(np.isfinite(scores).argmin())} is not finite")
    return highest(scores, name=name, **taking), scores.tolist()


def select(by: str, n_layers: int, **given: Any) -> list[int]:
    """The layers that a selector selects."""
    return select_and_score(by, n_layers, **given)[0]


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
    choice = Choice(top=len(like) if like else top, at_least=at_least)
    layers = np.flatnonzero(choice.mask(-scores if lowest else scores)).tolist()
    if not layers:
        best = int(scores.argmax())
        raise ValueError(
            f"no layer has {name} >= {at_least} (highest: {scores[best]:.2f} in layer "
            f"{best}); lower at_least"
        )
    return layers


def selection_record(n_layers: int, draws: int | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Content of a selection's file: `layers`, and `scores` if there are any.

    With draws, a list `draws` of these. given: from `load_given`.
    """

    def one(**drawn: int) -> dict[str, Any]:
        layers, scores = select_and_score(n_layers=n_layers, **given, **drawn)
        return {"layers": layers} | ({} if scores is None else {"scores": scores})

    if draws is None:
        return one()
    return {"draws": [one(draw=draw) for draw in range(1, draws + 1)]}
