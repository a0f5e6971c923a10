"""Residual activations of decoder layers, and the sums of SAE features over each problem.

Hooks sit on the decoder layers themselves: the last entry of `hidden_states` is taken after the
final norm, and is not what an SAE of the last layer was trained on. Sequences are padded on the
right, which leaves the residuals of real tokens as they are without padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stethoscope.models.base import decoder_layers
from stethoscope.saes.formats import Encoder, load_decoder, load_encoder
from stethoscope.saes.problem_sums import ProblemSums

# Of a batch of texts, padding included: with 34 layers of width 2560 in bf16, 2.9 GB of residuals.
_TOKENS = 1 << 14
# Activations of one layer's features that are in memory at a time: 0.5 GB in fp32.
_ENTRIES = 1 << 27
# Of a batch's texts: tokens on which each feature fires, and where any, its sums and maxima.
_Reduced = tuple[sparse.csr_matrix, np.ndarray, np.ndarray]


def residuals(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    batch_size: int = 64,
    tokens: int = _TOKENS,
) -> Iterator[tuple[np.ndarray, dict[int, torch.Tensor]]]:
    """The residual stream after each decoder layer, a batch of texts at a time, in their order.

    Yields (text number of each token, {layer: (tokens, d)}), in the model's own type and on the
    CPU, whichever device the model is on. Padding and special tokens are left out: a BOS token is
    an attention sink whose activations would drown all others. A batch is of batch_size texts, or
    of fewer long ones: as many as fit into so many tokens with their padding, one at least.

    Raises ValueError if a text has no other tokens: it would have no mean activation.
    """
    special = torch.tensor(sorted(tokenizer.all_special_ids))
    captured: dict[int, torch.Tensor] = {}
    kept = torch.empty(0, dtype=torch.bool)

    def hook(layer: int):
        def keep(_module, _inputs, output) -> None:
            stream = output[0] if isinstance(output, tuple) else output
            captured[layer] = stream.detach()[kept.to(stream.device)].cpu()

        return keep

    handles = [
        module.register_forward_hook(hook(layer))
        for layer, module in enumerate(decoder_layers(model))
    ]
    try:
        for start, batch in _batches(tokenizer, texts, batch_size, tokens):
            encoded = tokenizer.pad(batch, padding_side="right", return_tensors="pt")
            kept = encoded["attention_mask"].bool() & ~torch.isin(encoded["input_ids"], special)
            if not kept.any(dim=1).all():
                text = start + int(kept.any(dim=1).int().argmin())
                raise ValueError(f"activations: text {text} has no tokens but special ones")
            with torch.inference_mode():
                model.get_decoder()(
                    input_ids=encoded["input_ids"].to(model.device),
                    attention_mask=encoded["attention_mask"].to(model.device),
                    use_cache=False,
                )
            yield torch.nonzero(kept)[:, 0].numpy() + start, dict(captured)
    finally:
        for handle in handles:
            handle.remove()


def sample(texts: Sequence[str], wanted: int) -> list[str]:
    """About as many texts as wanted, spread evenly over all."""
    return list(texts[:: max(1, len(texts) // wanted)])


@dataclass(frozen=True)
class StoredResiduals:
    """Residual streams in a folder, a file a layer: a scan then holds one layer's SAE at a time.

    rows: text number of each token, by batch; dtype, width: of the streams.
    """

    folder: Path
    rows: list[np.ndarray]
    dtype: torch.dtype
    width: int

    def all_of(self, layer: int) -> torch.Tensor:
        """(tokens, d) of one layer."""
        return torch.cat([stream for _, stream in self.of_layer(layer)])

    def of_layer(self, layer: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """(text number of each token, (tokens, d)) of one layer, batch by batch."""
        with open(self.folder / f"layer_{layer}", "rb") as file:
            for rows in self.rows:
                data = np.fromfile(file, np.uint8, len(rows) * self.width * self.dtype.itemsize)
                yield rows, torch.from_numpy(data).view(self.dtype).view(len(rows), self.width)


def store_residuals(
    batches: Iterable[tuple[np.ndarray, Mapping[int, torch.Tensor]]], folder: Path
) -> StoredResiduals:
    """Write what `residuals` yields, bit by bit; makes the folder. ValueError for no texts."""
    folder.mkdir(exist_ok=True)
    rows, stream = [], None
    for numbers, streams in batches:
        rows.append(numbers)
        for layer, stream in streams.items():
            with open(folder / f"layer_{layer}", "ab") as file:
                stream.contiguous().view(torch.uint8).numpy().tofile(file)
    if stream is None:
        raise ValueError("activations: there is no text")
    return StoredResiduals(folder, rows, stream.dtype, stream.shape[1])


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
    """How well the SAE in a folder reconstructs (tokens, d) residuals that it was not trained on.

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
    """What a job says of one SAE's quality."""
    return (
        f"layer {layer}: explained variance {quality['explained_variance']:.3f}, "
        f"L0 {quality['l0']:.1f}, dead {quality['dead_share']:.0%}"
    )


def _batches(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], batch_size: int, tokens: int
) -> Iterator[tuple[int, list[dict]]]:
    """(number of the first text, what the tokenizer says of each) of texts in their order."""
    batch, longest = [], 0
    for number, text in enumerate(texts):
        encoded = dict(tokenizer(text))
        length = len(encoded["input_ids"])
        full = len(batch) == batch_size or max(longest, length) * (len(batch) + 1) > tokens
        if batch and full:
            yield number - len(batch), batch
            batch, longest = [], 0
        batch.append(encoded)
        longest = max(longest, length)
    if batch:
        yield len(texts) - len(batch), batch


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
