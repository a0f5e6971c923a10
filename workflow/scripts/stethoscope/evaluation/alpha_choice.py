"""Choosing alpha: the highest accuracy on given problems, ties to the smaller alpha."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from stethoscope.names import EditId, edit_name


def best_alpha(correct: np.ndarray) -> np.ndarray:
    """Index of the chosen alpha along the last axis.

    correct: (..., alphas) numbers of correct answers to the same problems, the alphas ascending.
    Ties go to the smaller alpha, which changes the model less.
    """
    return np.argmax(correct, axis=-1)


def choose_alpha(counts: Iterable[tuple[float, int, int]]) -> float:
    """The chosen alpha of one edit.

    counts: (alpha, problems, correct answers); those of one alpha (subjects, seeds) are added up.

    Raises ValueError without counts, and where the alphas have not equally many problems.
    """
    sums: dict[float, np.ndarray] = {}
    for alpha, *count in counts:
        sums[alpha] = sums.get(alpha, 0) + np.array(count)
    if not sums:
        raise ValueError("choose_alpha: no rows to choose from")
    alphas = sorted(sums)
    n, correct = np.transpose([sums[alpha] for alpha in alphas])
    if len(set(n)) > 1 or n[0] < 1:
        listed = ", ".join(f"{alpha}: {count}" for alpha, count in zip(alphas, n, strict=True))
        raise ValueError(f"choose_alpha: every alpha needs the same n >= 1 (found {listed})")
    return float(alphas[best_alpha(correct)])


def choices(evaluated: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The chosen alpha of each edit and the grid that it was chosen from, by the edit's name.

    evaluated: records of edits at each alpha: spec, draw, alpha, `correct` answers of `n`.
    """
    grids: dict[EditId, list[dict]] = {}
    for record in evaluated:
        grid = grids.setdefault(EditId(record["spec"], record["draw"]), [])
        grid.append({key: record[key] for key in ("alpha", "n", "correct")})
    return {
        edit_name(edit): {
            "spec": edit.spec,
            "draw": edit.draw,
            "grid": grid,
            "chosen": choose_alpha(tuple(counts.values()) for counts in grid),
        }
        for edit, grid in grids.items()
    }


def chosen_edits(choices: Mapping[str, Mapping[str, Any]]) -> list[EditId]:
    """Each edit at its chosen alpha, from the result of `choices`."""
    return [EditId(choice["spec"], choice["draw"], choice["chosen"]) for choice in choices.values()]
