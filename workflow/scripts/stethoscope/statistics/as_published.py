"""Numbers of the paper that summaries compare with this study's, from the committed record."""

from __future__ import annotations

import re

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.results import Results

# Role of an edit -> its method in the published Table 1.
PUBLISHED_METHOD = {
    "base": "Base model",
    "full": "Full LoRA merge (34L)",
    "projection": "SAE Projection",
    "ours": "Ours (SP4)",
}
LAYERS_CLAIM = "C10"  # selected layers / all layers
DISCARDED, KEPT = "C06", "C08"  # energy that projection discards, that raw τ keeps


def published_layers(results: Results) -> tuple[int, int]:
    """Numbers of layers that the paper selects and that its model has."""
    selected, layers = _claim(results, LAYERS_CLAIM).split("/")
    return int(selected), int(layers)


def published_energy(results: Results) -> dict[str, float]:
    """Share of the energy that projection and ours keep, by role, from the paper's text."""
    discarded, kept = (
        float(re.search(r"\d+(?:\.\d+)?", _claim(results, claim)).group())
        for claim in (DISCARDED, KEPT)
    )
    return {"projection": (100 - discarded) / 100, "ours": kept / 100}


def published_accuracy(results: Results, subject: str) -> pd.Series:
    """Published accuracy on a subject, by method of Table 1."""
    table = results["table1"].set_index("method")
    return table[f"{SUBJECTS[subject].short}_acc_pct"].astype(float) / 100


def published_effect(results: Results, role: str) -> float:
    """Published difference from base on the target, of the method of a role."""
    accuracy = published_accuracy(results, results.target)
    return accuracy[PUBLISHED_METHOD[role]] - accuracy[PUBLISHED_METHOD["base"]]


def published_z(results: Results, method: str, subject: str) -> float:
    """z against base with lm-eval's errors, from the published accuracies of Table 1."""
    table = results["published_table1"].set_index(["method", "subject"])
    return table.at[(method, SUBJECTS[subject].short), "z_lmeval"]


def _claim(results: Results, claim: str) -> str:
    return results["text_claims"].set_index("claim_id").at[claim, "value"]
