"""Merging task vectors that interfere (paper, appendix E): TIES, DARE, Localize-and-Stitch.

The paper adds two task vectors, sees them interfere, and names these three as what to try next.
The plain sum is exact in factors (`task_vector.combine`); merged differences are not low rank.
All three take a vector with weight w as w * tau, restricted to the selected layers of an edit.
alpha is the papers' lambda.

A module's result is computed on demand, with one module of each vector dense at a time. The order
of the vectors never matters. docs/merging.md lists where other codes differ. numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from math import prod
from typing import Any

import numpy as np

from stethoscope.runtime.files import sha256_bytes
from stethoscope.task_vectors.delta import Delta, OnDemand
from stethoscope.task_vectors.task_vector import TaskVector, layer_of


def ties(
    vectors: Mapping[str, TaskVector], weights: Mapping[str, float], density: float
) -> dict[str, OnDemand]:
    """TIES-Merging (Yadav et al. 2023): trim, elect a sign, average what agrees with it.

    Of each vector the entries of largest magnitude are kept, over all its modules together (as in
    the paper and its code; PEFT and mergekit trim each tensor). Each coordinate takes the sign of
    the sum of the trimmed entries (of the weighted ones, as in mergekit; PEFT's sum has no
    weights) and the mean of those entries that have this sign; trimmed ones do not count. Where
    the sum is exactly zero no sign wins and nothing is added, which is sgn(0) = 0 of the paper's
    formula (its code takes the more frequent sign of all coordinates, PEFT and mergekit plus).

    vectors: task vectors by name. weights: by name; names that it lacks are left out. density:
    share of the entries that is kept, above 0, at most 1. Returns differences by module name.
    """
    trimmed = _trimmed(vectors, weights, density)

    def merge(module: str) -> np.ndarray:
        parts = trimmed(module)
        elected = np.sign(parts.sum(axis=0))
        agrees = (np.sign(parts) == elected) & (parts != 0)
        return _mean_over(parts, agrees)

    return _on_demand(vectors, weights, merge)


def localize_and_stitch(
    vectors: Mapping[str, TaskVector], weights: Mapping[str, float], density: float
) -> dict[str, OnDemand]:
    """Localize-and-Stitch (He et al. 2024) in its dataless form.

    Localize: the entries of largest magnitude of each vector, over all its modules together.
    Stitch: their sum, in which a coordinate that n vectors claim takes 1 / n of each. (The other
    form learns the masks from data.) Arguments as for `ties`.
    """
    trimmed = _trimmed(vectors, weights, density)

    def stitch(module: str) -> np.ndarray:
        parts = trimmed(module)
        return _mean_over(parts, parts != 0)

    return _on_demand(vectors, weights, stitch)


def dare(
    vectors: Mapping[str, TaskVector],
    weights: Mapping[str, float],
    drop: float,
    seed: int,
    draw: int = 1,
) -> dict[str, OnDemand]:
    """DARE (Yu et al. 2023): drop entries at random, rescale the rest, and add the vectors up.

    Each entry is dropped with probability p = drop, and what stays is divided by 1 - p, so that
    the mean over masks is the vector itself and the mean of its energy that of the vector over
    1 - p. (mergekit rescales to the L1 norm instead.) A mask depends on seed, draw and the names
    of vector and module alone: neither on order, nor on which layers are edited.

    drop: at least 0, below 1. Other arguments as for `ties`.
    """
    if not 0 <= drop < 1:
        raise ValueError(f"merging.drop: {drop} is not at least 0 and below 1")
    weighted = _weighted(vectors, weights)

    def add(module: str) -> np.ndarray:
        thinned = []
        for name, values in _side_by_side(weighted, module).items():
            draws = _generator(seed, draw, name, module).random(values.shape, dtype=np.float32)
            thinned.append(np.where(draws >= drop, values / np.float32(1 - drop), 0))
        return np.sum(thinned, axis=0, dtype=np.float32)

    return _on_demand(vectors, weights, add)


METHODS: Mapping[str, Callable[..., dict[str, OnDemand]]] = {
    "ties": ties,
    "dare": dare,
    "localize_and_stitch": localize_and_stitch,
}


def magnitude_threshold(modules: Collection[Delta], density: float) -> np.float32:
    """Magnitude of the k-th largest entry of all modules together, k = density * entries.

    k is rounded, and at least 1. Entries of equal magnitude stand or fall together, so that no
    order decides between them. Exact, and without holding the flattened vector: magnitudes in
    fp32 are ordered as their bits are, so that a first pass over the modules counts the upper 16
    bits and a second one the lower 16 of the bin in which the k-th lies. One module is dense at a
    time, beside half a megabyte of counts.

    Raises ValueError unless 0 < density <= 1.
    """
    if not 0 < density <= 1:
        raise ValueError(f"merging.density: {density} is not above 0 and at most 1")
    if not modules:
        return np.float32(0)
    rank = max(1, round(density * sum(prod(delta.shape) for delta in modules)))
    upper, above = _bin_of(rank, (_magnitude_bits(delta) >> 16 for delta in modules))
    lower, _ = _bin_of(
        rank - above,
        (bits[bits >> 16 == upper] & 0xFFFF for bits in map(_magnitude_bits, modules)),
    )
    return np.uint32(upper << 16 | lower).view(np.float32)


def interference(
    first: TaskVector, second: TaskVector, density: float = 1.0
) -> list[dict[str, Any]]:
    """How two task vectors meet in the modules that both have, by layer and in 'all' of them.

    density: share of entries that `ties` and `localize_and_stitch` keep; 1 keeps the vectors whole.
    cosine: of the two (trimmed) differences. overlap: share of the coordinates where neither is
    zero; by chance density^2. sign_conflict: share of those where the signs differ; by chance one
    half. norm_first, norm_second: Frobenius norms. A share of nothing is None. Sums are in fp64.
    """
    sums: dict[Any, np.ndarray] = {}
    modules = {"first": first.modules, "second": second.modules}
    cuts = {name: magnitude_threshold(deltas.values(), density) for name, deltas in modules.items()}
    for name in sorted(set(first.modules) & set(second.modules), key=lambda n: (layer_of(n), n)):
        a, b = (
            _cut(modules[which][name].dense(), cuts[which]).astype(np.float64)
            for which in ("first", "second")
        )
        both = (a != 0) & (b != 0)
        differ = both & (np.sign(a) != np.sign(b))
        terms = [a.size, both.sum(), differ.sum(), np.sum(a * b), np.sum(a**2), np.sum(b**2)]
        sums[layer_of(name)] = sums.get(layer_of(name), 0) + np.array(terms, dtype=np.float64)
    sums["all"] = sum(sums.values(), np.zeros(6))
    rows = []
    for layer, (entries, both, differ, inner, energy_first, energy_second) in sums.items():
        rows.append(
            {
                "layer": layer,
                "density": density,
                "cosine": _share(inner, np.sqrt(energy_first * energy_second)),
                "overlap": _share(both, entries),
                "sign_conflict": _share(differ, both),
                "norm_first": float(np.sqrt(energy_first)),
                "norm_second": float(np.sqrt(energy_second)),
            }
        )
    return rows


def _weighted(
    vectors: Mapping[str, TaskVector], weights: Mapping[str, float]
) -> dict[str, dict[str, Delta]]:
    """w * tau of each vector by name and module, still in the form that it has."""
    parts = {
        name: {module: d.scaled(weights[name]) for module, d in vectors[name].modules.items()}
        for name in sorted(weights)
    }
    return {name: modules for name, modules in parts.items() if modules}


def _on_demand(
    vectors: Mapping[str, TaskVector],
    weights: Mapping[str, float],
    merge: Callable[[str], np.ndarray],
) -> dict[str, OnDemand]:
    """The merged difference of each module that any of the vectors has, by name in sorted order."""
    shapes = {module: s for name in weights for module, s in vectors[name].shapes().items()}
    return {module: OnDemand(s, partial(merge, module)) for module, s in sorted(shapes.items())}


def _side_by_side(vectors: Mapping[str, Mapping[str, Delta]], module: str) -> dict[str, np.ndarray]:
    """A module's dense difference in the vectors that have it, by vector."""
    return {name: deltas[module].dense() for name, deltas in vectors.items() if module in deltas}


def _trimmed(
    vectors: Mapping[str, TaskVector], weights: Mapping[str, float], density: float
) -> Callable[[str], np.ndarray]:
    """(vectors, outputs, inputs) of a module, zero but for each vector's largest entries."""
    weighted = _weighted(vectors, weights)
    cuts = {name: magnitude_threshold(d.values(), density) for name, d in weighted.items()}
    return lambda module: np.stack(
        [_cut(values, cuts[name]) for name, values in _side_by_side(weighted, module).items()]
    )


def _cut(values: np.ndarray, threshold: np.float32) -> np.ndarray:
    return np.where(np.abs(values) >= threshold, values, np.float32(0))


def _mean_over(parts: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean over the vectors of the entries that count; zero where none does."""
    count = np.maximum(counted.sum(axis=0), 1).astype(np.float32)
    return np.where(counted, parts, np.float32(0)).sum(axis=0) / count


def _generator(seed: int, draw: int, vector: str, module: str) -> np.random.Generator:
    """A generator of its own for each tensor, from names: Python's hash changes between runs."""
    name = int(sha256_bytes(f"{vector}/{module}".encode())[:16], 16)
    return np.random.default_rng([seed, draw, name])


def _magnitude_bits(delta: Delta) -> np.ndarray:
    return np.abs(delta.dense().astype(np.float32)).view(np.uint32).ravel()


def _bin_of(rank: int, bins: Iterator[np.ndarray]) -> tuple[int, int]:
    """The bin that holds the rank-th largest (1 is the largest), and how many lie above it."""
    counts = sum(np.bincount(part, minlength=1 << 16) for part in bins)
    down = np.cumsum(counts[::-1])
    index = int(np.searchsorted(down, rank))
    return len(counts) - 1 - index, int(down[index] - counts[::-1][index])


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
