"""Energy of edits: kept of their task vector, and landed in the weights."""

from __future__ import annotations

import pandas as pd

from stethoscope.statistics.results import Results
from stethoscope.statistics.summaries.registry import summary
from stethoscope.statistics.summaries.rows import by_seed, seeds_shown

# Words for a projection's settings, as the page prints them.
BASES = {
    "sae": "specific features",
    "complement": "all but specific features",
    "frequent": "most frequent features",
    "random_features": "random features",
    "random": "random",
    "oracle": "best (SVD)",
}
READINGS = {
    "both": "both",
    "writers_only": "writers only",
    "norm_aware": "behind norms",
    "unnormalized": "not orthonormal",
}


@summary
def edit_energy(results: Results) -> pd.DataFrame:
    """Energy of each edit at its chosen alpha, intended and as it lands in the weights."""
    rows = []
    for edit, seed, row in by_seed(results):
        energy = results.energy(edit, seed)
        if energy is not None:
            rows.append(energy | row)
    return seeds_shown(results, rows)


@summary
def projections(results: Results) -> pd.DataFrame:
    """Every projection beside chance and the best: settings, energy, effect on the target.

    kind is "more" in the rows of an edit's later seeds, which lack settings and effect.
    """
    base, rows = results.one("base"), []
    edits = [
        e for e in (*results.evaluated, *results.unevaluated) if "projection" in results.spec(e)
    ]
    for edit, seed, row in by_seed(results, edits):
        if seed == results.seeds[0]:
            row |= {"kind": "first", **settings(results.spec(edit))}
            effect = results.paired(edit, base, results.target)
            row |= (
                effect.columns()
                if effect
                else dict.fromkeys(("difference", "ci_low", "ci_high", "direction"))
            )
        else:
            row["kind"] = "more"
        rows.append(results.energy(edit, seed) | row)
    return seeds_shown(results, rows)


def settings(spec: dict) -> dict:
    """Directions, reading and rank of an edit that projects, in the page's words."""
    projection = spec["projection"]
    directions = BASES[projection.get("basis", "sae")]
    if spec["transform"] == "raw_matched":
        directions = f"all; norm as {directions}"
    reading = READINGS[projection.get("reading", "both")]
    return {"directions": directions, "reading": reading, "rank": projection["rank"]}
