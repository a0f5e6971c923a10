"""Projection of a task vector on directions of the residual stream (paper, 'Why not project').

A decoder direction lives in the residual stream, of width d. Which side of a weight difference
meets the stream depends on the module: o_proj and down_proj write to it (their outputs are
projected), the five others read from it (their inputs are). Every map of that side keeps the
difference a LoRA. Factors stay fp64 here; an edit rounds them to fp32 once, when it is scaled.

The paper does not say how it projects; docs/projection.md has the readings and the controls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stethoscope.task_vectors.delta import LowRank
from stethoscope.task_vectors.task_vector import TaskVector, layer_of, part_of

WRITERS = ("self_attn.o_proj", "mlp.down_proj")
# Gemma's sandwich: the RMSNorm between each module and the residual stream.
NORMS = {
    "self_attn.q_proj": "input_layernorm",
    "self_attn.k_proj": "input_layernorm",
    "self_attn.v_proj": "input_layernorm",
    "self_attn.o_proj": "post_attention_layernorm",
    "mlp.gate_proj": "pre_feedforward_layernorm",
    "mlp.up_proj": "pre_feedforward_layernorm",
    "mlp.down_proj": "post_feedforward_layernorm",
}


@dataclass(frozen=True)
class StreamMap:
    """A map of the stream side of one module's difference: U V^T, or I - U V^T.

    image, dual: (d, k) U and V, fp64. span: (d, k') orthonormal basis of the image of U V^T, or
    for a complement of the subspace orthogonal to its image. chance: mean share of the energy that
    random directions keep. complement: whether the map is I - U V^T. gain: (d,) of the norm
    between module and stream in the norm-aware reading, else None: the projector is orthogonal once
    the gain is applied, so energies are measured there.
    """

    image: np.ndarray
    dual: np.ndarray
    span: np.ndarray
    chance: float
    complement: bool = False
    gain: np.ndarray | None = None

    @property
    def dimensions(self) -> int:
        """Dimensions of the stream that the map keeps."""
        width, rank = self.image.shape
        return width - rank if self.complement else rank

    def outside(self, side: np.ndarray) -> float:
        """Energy of the part of (d, n) stream-side columns that the map cannot have made."""
        inside = self.span.T @ side
        rest = inside if self.complement else side - self.span @ inside
        return float(np.sum(rest**2))


def orthonormal_basis(directions: np.ndarray, tolerance: float = 1e-6) -> np.ndarray:
    """Orthonormal basis of the span of some directions.

    directions: (count, d), one decoder row each; they need not be independent. Returns (d, k) in
    fp64, k <= count; directions whose singular value is below tolerance times the largest count
    as dependent.

    Raises ValueError when a direction is zero or not finite.
    """
    left, values, _ = np.linalg.svd(_unit(directions).T, full_matrices=False)
    return left[:, values > tolerance * values[0]]


def writes_to_stream(module: str) -> bool:
    """Whether a module's output (rather than its input) lies in the residual stream."""
    return module.endswith(WRITERS)


def stream_width(modules: Mapping[str, LowRank]) -> int:
    """Width d of the residual stream that a task vector's modules read and write."""
    return next((len(_stream_side(name, delta)) for name, delta in modules.items()), 0)


def stream_map(
    module: str,
    directions: np.ndarray,
    reading: str = "both",
    complement: bool = False,
    gain: np.ndarray | None = None,
) -> StreamMap:
    """The map of one module's stream side that projects it on some directions.

    directions: (count, d). reading: 'both' projects the outputs of writers and the inputs of
    readers, Q Q^T; 'writers_only' does so for writers and removes readers; 'norm_aware' projects
    behind the norm, G^-1 Q Q^T G with G = diag(gain), (d,); 'unnormalized' is D D^T
    with unit directions D, no projector when they overlap. complement: I minus the map.

    Raises ValueError when a gain is zero or not finite.
    """
    width = directions.shape[1]
    basis = orthonormal_basis(directions)
    if reading == "unnormalized":
        if complement:
            raise ValueError("projection: unnormalized is no projector, it has no complement")
        unit = _unit(directions).T
        count = unit.shape[1]
        # E[(D D^T)^2] of independent random unit vectors: a diagonal and count - 1 cross terms.
        chance = count / width * (1 + (count - 1) / width)
        return StreamMap(unit, unit, basis, chance)
    if reading == "writers_only" and not writes_to_stream(module):
        basis = basis[:, :0]
    chance = basis.shape[1] / width  # of a random subspace, on average
    chance = 1 - chance if complement else chance
    if reading != "norm_aware":
        return StreamMap(basis, basis, basis, chance, complement)
    gain = np.asarray(gain, dtype=np.float64)
    if not np.isfinite(gain).all() or (gain == 0).any():
        raise ValueError(f"projection: {module}: a gain of its norm is zero or not finite")
    image, dual = basis / gain[:, None], basis * gain[:, None]
    span = np.linalg.qr(dual if complement else image)[0]
    return StreamMap(image, dual, span, chance, complement, gain)


def stream_maps(
    modules: Mapping[str, LowRank],
    directions: Mapping[int, np.ndarray] | int,
    reading: str = "both",
    complement: bool = False,
    gains: Mapping[str, np.ndarray] | None = None,
) -> dict[str, StreamMap]:
    """`stream_map` of each module, by name.

    directions: (count, d) for each layer; or a rank, for the directions that keep most of each
    module's difference. gains: by module name, for the norm-aware reading.
    """
    maps = {}
    for name, delta in modules.items():
        gain = gains[name] if gains else None
        if isinstance(directions, int):
            chosen = best_directions(name, delta, directions, gain)
        else:
            chosen = directions[layer_of(name)]
        maps[name] = stream_map(name, chosen, reading, complement, gain)
    return maps


def project(module: str, delta: LowRank, where: StreamMap) -> LowRank:
    """A weight difference with its stream side mapped. Writers: M dW; readers: dW M^T."""
    side = _stream_side(module, delta)
    part = where.image @ (where.dual.T @ side)
    return _with_stream_side(module, delta, side - part if where.complement else part)


def projected(vector: TaskVector, maps: Mapping[str, StreamMap]) -> TaskVector:
    """The task vector with the stream side of each module mapped; factors in fp64.

    maps: by module name.
    """
    modules = {name: project(name, delta, maps[name]) for name, delta in vector.modules.items()}
    return TaskVector(modules, vector.base)


def measured(module: str, delta: LowRank, gain: np.ndarray | None) -> LowRank:
    """A difference as the residual stream sees it: with the norm's gain applied, if any."""
    side = _stream_side(module, delta)
    return _with_stream_side(module, delta, side if gain is None else gain[:, None] * side)


def best_directions(
    module: str, delta: LowRank, rank: int, gain: np.ndarray | None = None
) -> np.ndarray:
    """(k, d) directions on which a projection keeps most of a difference, k <= rank.

    The first left singular vectors of its stream side, from the factors; as seen through the
    norm when a gain is given. Fewer than `rank` where the difference itself has a lower rank.
    """
    seen = measured(module, delta, gain)
    side, other = (seen.B, seen.A.T) if writes_to_stream(module) else (seen.A.T, seen.B)
    frame, r_side = np.linalg.qr(side)
    r_other = np.linalg.qr(other.astype(np.float64), mode="r")
    left, values, _ = np.linalg.svd(r_side @ r_other.T)
    count = min(rank, max(1, int(np.sum(values > 1e-12 * values[0]))))
    return (frame @ left[:, :count]).T


def random_directions(rank: int, width: int, seed: int, draw: int, layer: int) -> np.ndarray:
    """(rank, width) directions of a random subspace, the same for each module of the layer."""
    return np.random.default_rng([seed, draw, layer]).normal(size=(rank, width))


def most_frequent_features(fires: np.ndarray, count: int) -> list[int]:
    """The features that fire on most tokens, most frequent first; ties go to the lower number.

    fires: (features,) number of tokens. Raises ValueError when fewer than `count` fire at all.
    """
    _check_alive(fires, count)
    return np.argsort(-fires, kind="stable")[:count].tolist()


def random_alive_features(
    fires: np.ndarray, count: int, seed: int, draw: int, layer: int
) -> list[int]:
    """Random features among those that fire at all, in ascending order.

    fires: (features,) number of tokens. Raises ValueError when fewer than `count` fire.
    """
    _check_alive(fires, count)
    generator = np.random.default_rng([seed, draw, layer])
    return sorted(generator.choice(np.flatnonzero(fires), count, replace=False).tolist())


def oracle_energy(delta: LowRank, rank: int) -> float:
    """Most energy that any rank-k projection on one side can keep: the k largest sigma^2."""
    return float(np.sum(delta.singular_values()[:rank] ** 2))


def norm_of(module: str) -> str:
    """Name of the norm between a module and the residual stream (Gemma's sandwich)."""
    part = part_of(module)
    if part not in NORMS:
        raise ValueError(f"projection: no norm is known for {part} (known: {', '.join(NORMS)})")
    return module.removesuffix(part) + NORMS[part]


def _stream_side(module: str, delta: LowRank) -> np.ndarray:
    """(d, rank) fp64, the factor that touches the stream."""
    return (delta.B if writes_to_stream(module) else delta.A.T).astype(np.float64)


def _with_stream_side(module: str, delta: LowRank, side: np.ndarray) -> LowRank:
    if writes_to_stream(module):
        return LowRank(delta.A, side, delta.scale)
    return LowRank(side.T, delta.B, delta.scale)


def _unit(directions: np.ndarray) -> np.ndarray:
    """(count, d) fp64 directions of length 1."""
    directions = directions.astype(np.float64)
    norms = np.linalg.norm(directions, axis=1, keepdims=True)
    if not (norms > 0).all() or not np.isfinite(norms).all():
        raise ValueError("projection: a decoder direction is zero or not finite")
    return directions / norms


def _check_alive(fires: np.ndarray, count: int) -> None:
    if (alive := int(np.sum(fires > 0))) < count:
        raise ValueError(f"projection.rank: {count} features asked for, only {alive} ever fire")
