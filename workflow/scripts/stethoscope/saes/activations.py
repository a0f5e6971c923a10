"""Activations of SAE features on residual streams, and their sums over each problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import sparse

from stethoscope.saes.formats import Encoder, load_decoder, load_encoder
from stethoscope.saes.problem_sums import ProblemSums

# Activations of one layer's features in memory at a time: 0.5 GB in fp32.
_ENTRIES = 1 << 27
# By text of a batch: tokens on which each feature fires; its sums and maxima where it fires.
_Reduced = tuple[sparse.csr_matrix, np.ndarray, np.ndarray]


def encode(encoder: Encoder, stream: torch.Tensor) -> torch.Tensor:
    """(tokens, features) feature activations of (tokens, d) residuals, in fp32.

    a = pre where pre > threshold, else 0, with pre = relu(x @ w_enc + b_enc).
    """
    return _encode(_on_device(encoder, stream.device), stream)


def sum_by_problem(
    batches: Iterable[tuple[np.ndarray, torch.Tensor]],
    subjects: Sequence[int],
    encoder: Encoder,
    device: str | torch.device = "cpu",
) -> ProblemSums:
    """Sums, firing counts and maxima of each feature over the tokens of each text, of one layer.

    batches: (text number of each token, (tokens, d)), in the order of the texts. subjects: the
    index of each text's subject. device: where features are computed, in fp32.
    """
    weights, n_features = _on_device(encoder, torch.device(device)), encoder.b_enc.size
    tokens, blocks = np.zeros(len(subjects), dtype=np.int64), []
    for rows, stream in batches:
        tokens += np.bincount(rows, minlength=len(subjects))
        blocks.append(_reduce(weights, stream.to(device), rows - rows[0]))
    return _problem_sums(blocks, tokens, np.asarray(subjects), n_features)


def sae_quality(folder: Path, stream: torch.Tensor) -> dict[str, float]:
    """Quality of the SAE in a folder on (tokens, d) residuals that it was not trained on.

    explained_variance: 1 - squared error / variance around the mean; l0: mean number of active
    features a token; dead_share: share of features that fire on none of these tokens.
    """
    encoder, decoder, stream = load_encoder(folder), load_decoder(folder), stream.float()
    active = encode(encoder, stream)
    decoded = torch.addmm(torch.from_numpy(decoder.b_dec), active, torch.from_numpy(decoder.w_dec))
    error, variance = (decoded - stream).pow(2).sum(), (stream - stream.mean(0)).pow(2).sum()
    return {
        "explained_variance": float(1 - error / variance),
        "l0": float((active > 0).float().sum(1).mean()),
        "dead_share": float((active.sum(0) == 0).float().mean()),
    }


def quality_line(layer: int, quality: Mapping[str, float]) -> str:
    """Progress line about one SAE's quality."""
    return (
        f"layer {layer}: explained variance {quality['explained_variance']:.3f}, "
        f"L0 {quality['l0']:.1f}, dead {quality['dead_share']:.0%}"
    )


def _on_device(encoder: Encoder, device: torch.device) -> tuple[torch.Tensor, ...]:
    """w_enc, b_enc and threshold of an encoder."""
    parts = (encoder.w_enc, encoder.b_enc, encoder.threshold)
    return tuple(torch.from_numpy(part).to(device) for part in parts)


def _encode(weights: tuple[torch.Tensor, ...], stream: torch.Tensor) -> torch.Tensor:
    w_enc, b_enc, threshold = weights
    pre = torch.addmm(b_enc, stream.float(), w_enc)
    return torch.where(pre > threshold, pre.relu(), 0.0)


def _reduce(weights: tuple[torch.Tensor, ...], stream: torch.Tensor, rows: np.ndarray) -> _Reduced:
    """Counts, sums and maxima over the tokens of each text, a part of the tokens at a time."""
    n_features, device = weights[0].shape[1], stream.device
    shape = (int(rows[-1]) + 1, n_features)
    sums, fires, maxima = (torch.zeros(shape, device=device) for _ in range(3))
    index = torch.from_numpy(rows).to(device)
    for start in range(0, len(rows), step := max(1, _ENTRIES // n_features)):
        part = slice(start, start + step)
        active = _encode(weights, stream[part])
        sums.index_add_(0, index[part], active)
        fires.index_add_(0, index[part], (active > 0).float())
        maxima.scatter_reduce_(0, index[part][:, None].expand_as(active), active, "amax")
    counted = sparse.csr_matrix(fires.cpu().numpy())
    where = counted.nonzero()
    return counted, sums.cpu().numpy()[where], maxima.cpu().numpy()[where]


def _problem_sums(
    parts: list[_Reduced], tokens: np.ndarray, subjects: np.ndarray, n_features: int
) -> ProblemSums:
    fires = sparse.vstack([part[0] for part in parts], format="csr")
    sums, maxima = (np.concatenate([part[kind] for part in parts]) for kind in (1, 2))
    return ProblemSums(
        indptr=fires.indptr.astype(np.int64),
        indices=fires.indices.astype(np.int64),
        sums=sums,
        fires=fires.data.astype(np.int64),
        maxima=maxima,
        tokens=tokens,
        subjects=subjects.astype(np.int64),
        n_features=n_features,
    )
