"""Reader of SAE files, for scans and projections. numpy only.

Reads, by what lies in a layer's folder: sae-lens' own saved form (cfg.json), Gemma Scope 2
(config.json) and Llama Scope (hyperparams.json). sae-lens itself is not imported, which costs
seconds in every job and for the published ones needs the network; the tests compare this
reader with it. All are JumpReLU: a feature fires where its pre-activation exceeds its threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from stethoscope.runtime.files import read_json
from stethoscope.runtime.tensor_files import TensorFile, open_tensors

_BLOCK = 256  # rows of a decoder that are held at a time


@dataclass(frozen=True)
class Encoder:
    """The encoder half of a JumpReLU SAE, which turns residuals into feature activations.

    w_enc: (d, features); b_enc, threshold: (features,), all fp32. Any shift of the input by the
    decoder's bias is in b_enc already. A feature fires where its pre-activation x @ w_enc + b_enc
    exceeds its threshold, and its activation is then the pre-activation.
    """

    w_enc: np.ndarray
    b_enc: np.ndarray
    threshold: np.ndarray


@dataclass(frozen=True)
class Decoder:
    """The decoder half: residuals are reconstructed as activations @ w_dec + b_dec.

    w_dec: (features, d); b_dec: (d,), both fp32.
    """

    w_dec: np.ndarray
    b_dec: np.ndarray


def load_encoder(folder: str | Path) -> Encoder:
    """The encoder of one layer's SAE.

    Raises ValueError, in one line, for an architecture or a normalization that this reader does
    not know: its activations would be silently wrong.
    """
    sae = _format_of(folder)
    with open_tensors(sae.weights) as file:
        return sae.encoder(file)


def load_decoder(folder: str | Path) -> Decoder:
    """The decoder of one layer's SAE; ValueError as for `load_encoder`."""
    sae = _format_of(folder)
    with open_tensors(sae.weights) as file:
        return Decoder(sae.rows(file, slice(None)), sae.bias(file))


def decoder_directions(folder: str | Path, features: list[int]) -> np.ndarray:
    """(len(features), d) decoder rows of some features: their directions in the residual stream.

    The paper calls features columns of W_dec; SAE files hold them as rows. Only these are read.
    """
    sae = _format_of(folder)
    with open_tensors(sae.weights) as file:
        return np.concatenate([sae.rows(file, slice(number, number + 1)) for number in features])


def check_sae(folder: str | Path, layer: int, width: int) -> None:
    """Raise ValueError unless a published SAE is one of the residual stream after this layer.

    width: of the model's residual stream. A neighbour's SAE has files of the very same shape.
    """
    sae = _format_of(folder)
    if sae.hook:
        key, expected = sae.hook[0], sae.hook[1].format(layer=layer)
        if sae.config.get(key) != expected:
            raise ValueError(
                f"{sae.config_file}: {key} is {sae.config.get(key)!r}, expected '{expected}'"
            )
    with open_tensors(sae.weights) as file:
        sae_width = sae.width(file)
    if sae_width != width:
        raise ValueError(
            f"{sae.weights}: is for residuals of {sae_width}, the model's have {width}"
        )


class _Format:
    """Storage of an SAE in one kind of release.

    known: required entries of its configuration. hook: key and value there that name the layer.
    w_enc, w_dec: keys of these tensors.
    """

    config_name: ClassVar[str]
    weights_name: ClassVar[str]
    known: ClassVar[Mapping[str, Any]]
    hook: ClassVar[tuple[str, str] | None] = None
    w_enc, w_dec = "w_enc", "w_dec"

    def __init__(self, folder: Path) -> None:
        self.config_file, self.weights = folder / self.config_name, folder / self.weights_name
        self.config = read_json(self.config_file)
        for key, known in self.known.items():
            if (value := self.config.get(key)) != known:
                raise ValueError(f"{self.config_file}: {key} is {value!r}, expected {known!r}")

    def encoder(self, file: TensorFile) -> Encoder:
        return Encoder(*(file.read(key) for key in (self.w_enc, "b_enc", "threshold")))

    def rows(self, file: TensorFile, features: slice) -> np.ndarray:
        """Decoder rows, which an activation of 1 adds to the residual stream."""
        return file.read(self.w_dec, features)

    def bias(self, file: TensorFile) -> np.ndarray:
        """The decoder's bias."""
        return file.read("b_dec")

    def width(self, file: TensorFile) -> int:
        """Width of the residual stream."""
        return file.shape(self.w_enc)[0]


class SaeLens(_Format):
    """sae-lens' own form: what `train_saes` writes."""

    config_name, weights_name = "cfg.json", "sae_weights.safetensors"
    known = {"architecture": "jumprelu", "normalize_activations": "none"}
    w_enc, w_dec = "W_enc", "W_dec"

    def encoder(self, file: TensorFile) -> Encoder:
        encoder = super().encoder(file)
        if not self.config.get("apply_b_dec_to_input", True):
            return encoder
        return replace(encoder, b_enc=encoder.b_enc - file.read("b_dec") @ encoder.w_enc)


class GemmaScope2(_Format):
    """Gemma Scope 2: no shift of the input, no scaling, one threshold a feature."""

    config_name, weights_name = "config.json", "params.safetensors"
    known = {"architecture": "jump_relu", "affine_connection": False, "type": "sae"}
    hook = ("hf_hook_point_in", "model.layers.{layer}.output")


class LlamaScope(_Format):
    """Llama Scope, with the gate of its authors' own code.

    The SAE was trained on s x, s = sqrt(d) / (average norm of x), and one threshold T gates all
    features in units of their decoder rows' norms: feature i fires where
    ||d_i|| (x w_i + b_i / s) > T, which is then its activation, and adds it times d_i / ||d_i||.
    sae-lens leaves the norms out of the gate and measures in units of s x; both agree where all
    norms are 1, up to the unit.
    """

    config_name, weights_name = "hyperparams.json", "checkpoints/final.safetensors"
    known = {
        "act_fn": "jumprelu",
        "norm_activation": "dataset-wise",
        "sparsity_include_decoder_norm": True,
        "apply_decoder_bias_to_pre_encoder": False,
        "use_decoder_bias": True,
    }
    hook = ("hook_point_in", "blocks.{layer}.hook_resid_post")

    def encoder(self, file: TensorFile) -> Encoder:
        norms = self._norms(file)
        w_enc = file.read("encoder.weight").astype(np.float32, copy=False) * norms[:, None]
        b_enc = file.read("encoder.bias") / np.float32(self._scale("in")) * norms
        threshold = np.full(len(norms), self.config["jump_relu_threshold"], np.float32)
        return Encoder(w_enc.T, b_enc, threshold)

    def rows(self, file: TensorFile, features: slice) -> np.ndarray:
        columns = file.read("decoder.weight", (slice(None), features))
        unit = columns / np.sqrt(np.sum(columns.astype(np.float64) ** 2, axis=0))
        return (unit.T * (self._scale("in") / self._scale("out"))).astype(np.float32)

    def bias(self, file: TensorFile) -> np.ndarray:
        return file.read("decoder.bias") / np.float32(self._scale("out"))

    def width(self, file: TensorFile) -> int:
        return file.shape("encoder.weight")[1]

    def _scale(self, side: str) -> float:
        """s, which takes residuals to the norm sqrt(d) that the SAE was trained at."""
        return self.config["d_model"] ** 0.5 / self.config["dataset_average_activation_norm"][side]

    def _norms(self, file: TensorFile) -> np.ndarray:
        """(features,) norms of the decoder's columns: read once, a few rows at a time."""
        width, features = file.shape("decoder.weight")
        total = np.zeros(features)
        for start in range(0, width, _BLOCK):
            block = file.read("decoder.weight", slice(start, min(start + _BLOCK, width)))
            total += np.einsum("ij,ij->j", block, block)
        return np.sqrt(total).astype(np.float32)


FORMATS: Mapping[str, type[_Format]] = {
    "sae_lens": SaeLens,
    "gemma_scope_2": GemmaScope2,
    "llama_scope": LlamaScope,
}


def files_of(name: str) -> tuple[str, str]:
    """The two files of a layer's SAE in a format, below its folder: all that is ever read."""
    return FORMATS[name].config_name, FORMATS[name].weights_name


def _format_of(folder: str | Path) -> _Format:
    folder = Path(folder)
    for form in FORMATS.values():
        if (folder / form.config_name).is_file():
            return form(folder)
    expected = ", ".join(form.config_name for form in FORMATS.values())
    raise ValueError(f"{folder}: no SAE (none of {expected})")
