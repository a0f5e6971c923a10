"""The directions that a projection keeps, by basis: those of the paper and their controls.

A basis is one function of a layer in `BASES`. The oracle is not here, since it depends on each
module's difference (`projection`); the complement has the directions of the paper's own basis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stethoscope.edits.projection import (
    most_frequent_features,
    norm_of,
    random_alive_features,
    random_directions,
)
from stethoscope.models.weights import read_weights
from stethoscope.runtime.files import read_json
from stethoscope.saes.formats import decoder_directions
from stethoscope.saes.problem_sums import ProblemSums


def directions(
    settings: Mapping[str, Any],
    layers: Sequence[int],
    width: int,
    files: Mapping[str, Any],
) -> dict[int, np.ndarray] | int:
    """(rank, d) directions of each layer, or the rank alone for the oracle.

    settings: an edit's `projection`. width: d of the residual stream. files: those that the
    basis needs of `features` (the most specific features of each layer), `activations` (of each
    layer, sums over the probe problems) and `saes` (a manifest of each layer).
    """
    if settings["basis"] == "oracle":
        return settings["rank"]
    basis = BASES[settings["basis"]]
    return {layer: basis(settings, layer, width, files) for layer in layers}


def read_gains(model: str | Path, modules: Sequence[str]) -> dict[str, np.ndarray]:
    """Gain of the RMSNorm between each module and the residual stream, (d,) fp64 by module name.

    Gemma's norms multiply by 1 + weight, and are on both sides of attention and MLP.

    Raises ValueError for a model of another family, whose norms are elsewhere.
    """
    family = read_json(Path(model) / "config.json").get("model_type", "")
    if not family.startswith(("gemma2", "gemma3")):
        raise ValueError(
            f"{model}/config.json: model_type '{family}': projection.reading norm_aware knows "
            "the norms of gemma2 and gemma3"
        )
    norms = {name: norm_of(name) for name in modules}
    weights = read_weights(model, sorted(set(norms.values())))
    return {name: 1.0 + weights[norm].astype(np.float64) for name, norm in norms.items()}


def _most_specific(settings: Mapping, layer: int, width: int, files: Mapping) -> np.ndarray:
    table, rank = pd.read_csv(files["features"], sep="\t"), settings["rank"]
    if rank > table["rank"].max():
        raise ValueError(
            f"{files['features']}: lists {table['rank'].max()} features a layer, "
            f"projection.rank is {rank}"
        )
    chosen = table[(table["layer"] == layer) & (table["rank"] <= rank)]["feature"].tolist()
    return decoder_directions(Path(files["saes"][layer]).parent, chosen)


def _random(settings: Mapping, layer: int, width: int, files: Mapping) -> np.ndarray:
    return random_directions(settings["rank"], width, settings["seed"], settings["draw"], layer)


def _most_frequent(settings: Mapping, layer: int, width: int, files: Mapping) -> np.ndarray:
    chosen = most_frequent_features(_fires(files, layer), settings["rank"])
    return decoder_directions(Path(files["saes"][layer]).parent, chosen)


def _random_features(settings: Mapping, layer: int, width: int, files: Mapping) -> np.ndarray:
    chosen = random_alive_features(
        _fires(files, layer), settings["rank"], settings["seed"], settings["draw"], layer
    )
    return decoder_directions(Path(files["saes"][layer]).parent, chosen)


def _fires(files: Mapping, layer: int) -> np.ndarray:
    """(features,) number of probe tokens on which each feature fires."""
    sums = ProblemSums.load(files["activations"][layer])
    return np.bincount(sums.indices, weights=sums.fires, minlength=sums.n_features)


BASES: Mapping[str, Callable[[Mapping, int, int, Mapping], np.ndarray]] = {
    "sae": _most_specific,
    "complement": _most_specific,
    "random": _random,
    "frequent": _most_frequent,
    "random_features": _random_features,
}
