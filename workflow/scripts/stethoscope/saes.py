"""Sparse autoencoders as files: what a scan and a projection need of them. numpy only.

Reads sae-lens' own saved form (cfg.json, sae_weights.safetensors) without importing sae-lens,
which costs seconds in every job; the tests hold this reader against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stethoscope.provenance import read_json
from stethoscope.tensors import open_tensors

_WEIGHTS = "sae_weights.safetensors"


@dataclass(frozen=True)
class Encoder:
    """The encoder half of a JumpReLU SAE: what turns residuals into feature activations.

    w_enc: (d, features); b_enc, threshold: (features,), all fp32. Any shift of the input by the
    decoder's bias is in b_enc already. A feature fires where its pre-activation x @ w_enc + b_enc
    exceeds its threshold, and its activation is then the pre-activation.
    """

    w_enc: np.ndarray
    b_enc: np.ndarray
    threshold: np.ndarray


def load_encoder(folder: str | Path) -> Encoder:
    """The encoder of one layer's SAE.

    Raises ValueError, in one line, for an architecture or a normalization that this reader does
    not know: its activations would be wrong without a sign of it.
    """
    folder = Path(folder)
    config = read_json(folder / "cfg.json")
    for key, known in (("architecture", "jumprelu"), ("normalize_activations", "none")):
        if config.get(key) != known:
            raise ValueError(f"{folder}/cfg.json: {key} is {config.get(key)!r}, expected '{known}'")
    with open_tensors(folder / _WEIGHTS) as file:
        w_enc, b_enc = file.get_tensor("W_enc"), file.get_tensor("b_enc")
        threshold = file.get_tensor("threshold")
        if config.get("apply_b_dec_to_input", True):
            b_enc = b_enc - file.get_tensor("b_dec") @ w_enc
    return Encoder(w_enc, b_enc, threshold)


def decoder_directions(folder: str | Path, features: list[int]) -> np.ndarray:
    """(len(features), d) decoder rows of some features: their directions in the residual stream.

    The paper calls features columns of W_dec; SAE files hold them as rows.
    """
    with open_tensors(Path(folder) / _WEIGHTS) as file:
        return file.get_tensor("W_dec")[features]
