"""Selectors that score each layer; those with the highest scores are selected.

Rules import this for the selectors' settings, so that pandas is imported in functions only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stethoscope.selection.needs import Seed, SubjectSums, Vector
from stethoscope.selection.registry import selector
from stethoscope.task_vectors.task_vector import layer_energies, layer_of

if TYPE_CHECKING:
    import pandas as pd

Score = Annotated[
    Literal["sp", "sp_smooth"], Field(description="sp is eq. (2); sp_smooth its smoothed variant")
]
Measured = Annotated[Vector, Field(description="the task vector that is measured")]
Weights = Callable[[Sequence[str]], Mapping[str, np.ndarray]]  # from names of modules


@selector(needs=("sp_table",), scores=True)
def by_specificity(n_layers: int, sp_table: "pd.DataFrame", score: Score = "sp") -> np.ndarray:
    """SP of each layer, eq. (2) of the paper, or its smoothed variant.

    sp_table: one row a layer, as `specificity_table` makes it.
    """
    return _column(n_layers, sp_table, score)


@selector(needs=("sp_table",), scores=True)
def by_n_features(n_layers: int, sp_table: "pd.DataFrame") -> np.ndarray:
    """Number of features of a layer whose specificity is above the threshold."""
    return _column(n_layers, sp_table, "n_features")


@selector(needs=("activation_sums", "scoring"), scores=True)
def by_permuted_specificity(
    n_layers: int,
    activation_sums: SubjectSums,
    scoring: Mapping[str, Any],
    draw: int,
    seed: Seed,
    score: Score = "sp",
) -> np.ndarray:
    """SP with the subjects' labels permuted over the problems: a null of SP.

    Each subject keeps its number of problems, and one permutation serves all layers.
    scoring: fields of `Scoring`. draw: 1, 2, ...; each a permutation of its own.
    """
    from stethoscope.specificity.scores import Scoring, feature_scores, specificity_table

    (layers, target, n_subjects), rule = activation_sums, Scoring(**scoring)
    labels = np.random.default_rng([seed, draw]).permutation(layers[0].subjects)
    scores = {
        layer: feature_scores(replace(sums, subjects=labels), target, n_subjects, rule)
        for layer, sums in enumerate(layers)
    }
    return _column(n_layers, specificity_table(scores, rule.threshold), score)


@selector(needs=("activation_sums",), scores=True)
def by_activation_magnitude(
    n_layers: int,
    activation_sums: SubjectSums,
    relative_to_others: Annotated[
        bool, Field(description="divide by the same of the other subjects")
    ] = False,
) -> np.ndarray:
    """Total activation of a layer's SAE features on the target: strength without specificity.

    The activation of a layer's features, summed over features, is the mean active value times L0
    of a token; averaged as in eq. (1), over tokens, then over the target's problems, in the SAE's
    own units. relative_to_others: divided by the same of the other subjects, each counting the
    same, which removes the rise of activations with depth.
    """
    from stethoscope.specificity.scores import subject_means

    layers, target, n_subjects = activation_sums
    totals = np.array([subject_means(sums, n_subjects).sum(axis=1) for sums in layers])
    if not relative_to_others:
        return totals[:, target]
    return totals[:, target] / np.delete(totals, target, axis=1).mean(axis=1)


@selector(needs=("base_weights",), scores=True)
def by_task_vector_norm(
    n_layers: int,
    vector: Measured,
    base_weights: Weights,
    relative_to_weights: Annotated[
        bool, Field(description="divide by the norm of the base's weights")
    ] = False,
) -> np.ndarray:
    """||tau_l||_F over all modules of a layer: the size of its change by fine-tuning.

    relative_to_weights: divided by ||W_l||_F of the same modules of the base.
    """
    norms = np.sqrt(layer_energies(vector, n_layers))
    if not relative_to_weights:
        return norms
    sizes = np.zeros(n_layers)
    for name, weight in base_weights(list(vector.modules)).items():
        sizes[layer_of(name)] += np.sum(weight.astype(np.float64) ** 2)
    return norms / np.sqrt(sizes)


@selector(needs=("base_weights",), scores=True)
def by_off_principal_energy(
    n_layers: int,
    vector: Measured,
    base_weights: Weights,
    rank: Annotated[
        int, Field(ge=1, description="singular vectors of each weight that count as principal")
    ],
) -> np.ndarray:
    """Share of ||tau_l||^2 outside the principal subspaces of the base's weights (as in MAST).

    1 - ||U_k U_k^T tau V_k V_k^T||^2 / ||tau||^2, both summed over the modules of a layer; U_k, V_k
    hold the k = rank leading singular vectors of the module's weight.
    """
    kept, weights = np.zeros(n_layers), base_weights(list(vector.modules))
    for name, delta in vector.modules.items():
        left, _, right = np.linalg.svd(weights[name].astype(np.float64), full_matrices=False)
        # In the basis of the singular vectors tau is k x k, and its norm is that of the projection.
        core = delta.scale * (left[:, :rank].T @ delta.B) @ (delta.A @ right[:rank].T)
        kept[layer_of(name)] += np.sum(core**2)
    return 1 - kept / layer_energies(vector, n_layers)


@selector(needs=("loss_gains",), scores=True)
def by_first_order_gain(n_layers: int, loss_gains: "pd.DataFrame") -> np.ndarray:
    """-<grad L, tau_l> at the base: the layer's decrease of the loss, to first order."""
    return _column(n_layers, loss_gains, "first_order")


@selector(needs=("loss_gains",), scores=True)
def by_add_one_in(n_layers: int, loss_gains: "pd.DataFrame") -> np.ndarray:
    """L(theta) - L(theta + tau_l): the layer's effect alone."""
    return _column(n_layers, loss_gains, "add_one_in")


@selector(needs=("loss_gains",), scores=True)
def by_leave_one_out(n_layers: int, loss_gains: "pd.DataFrame") -> np.ndarray:
    """L(theta + tau without tau_l) - L(theta + tau): the layer's effect beside all others."""
    return _column(n_layers, loss_gains, "leave_one_out")


def _column(n_layers: int, table: "pd.DataFrame", column: str) -> np.ndarray:
    """(layers,) a column of a table that has one row a layer."""
    if sorted(table["layer"]) != list(range(n_layers)):
        raise ValueError(f"{column}: expected the layers 0-{n_layers - 1}, one row each")
    return table.set_index("layer")[column].sort_index().to_numpy(dtype=float)
