"""Projection of a task vector on SAE decoder directions (paper, 'Why not project', section 3).

A decoder direction lives in the residual stream, of width d. Which side of a weight difference
meets the stream depends on the module: o_proj and down_proj write to it (their outputs are
projected), the five others read from it (their inputs are). Both keep the difference a LoRA.
"""

from __future__ import annotations

import numpy as np

from stethoscope.taskvectors import LowRank

WRITERS = ("self_attn.o_proj", "mlp.down_proj")


def orthonormal_basis(directions: np.ndarray, tolerance: float = 1e-6) -> np.ndarray:
    """Orthonormal basis of the span of some directions.

    directions: (count, d), one decoder row each; they need not be independent. Returns (d, k) in
    fp64, k <= count; directions whose singular value is below tolerance times the largest count
    as dependent.

    Raises ValueError when a direction is zero or not finite.
    """
    norms = np.linalg.norm(directions.astype(np.float64), axis=1, keepdims=True)
    if not (norms > 0).all() or not np.isfinite(norms).all():
        raise ValueError("projection: a decoder direction is zero or not finite")
    unit = directions.astype(np.float64) / norms
    left, values, _ = np.linalg.svd(unit.T, full_matrices=False)
    return left[:, values > tolerance * values[0]]


def writes_to_stream(module: str) -> bool:
    """Whether a module's output (rather than its input) lies in the residual stream."""
    return module.endswith(WRITERS)


def project(module: str, delta: LowRank, basis: np.ndarray) -> LowRank:
    """The part of a weight difference whose stream side lies in the span of `basis`.

    basis: (d, k) orthonormal. Writers: Q Q^T dW; readers: dW Q Q^T.
    """
    if writes_to_stream(module):
        projected = basis @ (basis.T @ delta.B.astype(np.float64))
        return LowRank(delta.A, projected.astype(np.float32), delta.scale)
    projected = (delta.A.astype(np.float64) @ basis) @ basis.T
    return LowRank(projected.astype(np.float32), delta.B, delta.scale)


def oracle_energy(delta: LowRank, rank: int) -> float:
    """Most energy that any rank-k projection on one side can keep: the k largest sigma^2."""
    return float(np.sum(delta.singular_values()[:rank] ** 2))


def chance_share(rank: int, width: int) -> float:
    """Share of the energy that a random rank-k subspace of the stream keeps on average: k / d."""
    return rank / width
