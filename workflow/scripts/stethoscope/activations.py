"""Residual activations of decoder layers, and the sums of SAE features over each problem.

Hooks sit on the decoder layers themselves: the last entry of `hidden_states` is taken after the
final norm, and is not what an SAE of the last layer was trained on. Sequences are padded on the
right, which leaves the residuals of real tokens as they are without padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from scipy import sparse
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stethoscope.models import decoder_layers
from stethoscope.saes import Encoder
from stethoscope.specificity import ProblemSums

# Activations of one layer's features that are in memory at a time: 0.5 GB in fp32.
HELD = 1 << 27
# Of the texts of a part: tokens on which each feature fires, and where any, its sums and maxima.
Reduced = tuple[sparse.csr_matrix, np.ndarray, np.ndarray]


def residuals(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    batch_size: int = 64,
) -> Iterator[tuple[np.ndarray, dict[int, torch.Tensor]]]:
    """The residual stream after each decoder layer, a batch of texts at a time, in their order.

    Yields (text number of each token, {layer: (tokens, d) fp32}). Padding and special tokens are
    left out: a BOS token is an attention sink whose activations would drown all others.

    Raises ValueError if a text has no other tokens: it would have no mean activation.
    """
    special = torch.tensor(sorted(tokenizer.all_special_ids))
    captured: dict[int, torch.Tensor] = {}

    def hook(layer: int):
        def keep(_module, _inputs, output) -> None:
            captured[layer] = (output[0] if isinstance(output, tuple) else output).detach()

        return keep

    handles = [
        module.register_forward_hook(hook(layer))
        for layer, module in enumerate(decoder_layers(model))
    ]
    try:
        for start in range(0, len(texts), batch_size):
            encoded = tokenizer(
                list(texts[start : start + batch_size]),
                padding=True,
                padding_side="right",
                return_tensors="pt",
            )
            with torch.inference_mode():
                model.get_decoder()(
                    input_ids=encoded["input_ids"],
                    attention_mask=encoded["attention_mask"],
                    use_cache=False,
                )
            kept = encoded["attention_mask"].bool() & ~torch.isin(encoded["input_ids"], special)
            if not kept.any(dim=1).all():
                text = start + int(kept.any(dim=1).int().argmin())
                raise ValueError(f"activations: text {text} has no tokens but special ones")
            rows = torch.nonzero(kept)[:, 0].numpy() + start
            yield rows, {layer: stream[kept].float() for layer, stream in captured.items()}
    finally:
        for handle in handles:
            handle.remove()


def encode(encoder: Encoder, stream: torch.Tensor) -> torch.Tensor:
    """(tokens, features) feature activations of (tokens, d) residuals, in fp32.

    a = pre where pre > threshold, else 0, with pre = relu(x @ w_enc + b_enc).
    """
    pre = torch.addmm(
        torch.from_numpy(encoder.b_enc), stream.float(), torch.from_numpy(encoder.w_enc)
    )
    return torch.where(pre > torch.from_numpy(encoder.threshold), pre.relu(), 0.0)


def sum_by_problem(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    subjects: Sequence[int],
    encoders: Mapping[int, Encoder],
) -> dict[int, ProblemSums]:
    """Sums, firing counts and maxima of each feature over the tokens of each text, by layer.

    texts: one a problem; subjects: the index of each problem's subject.
    """
    blocks: dict[int, list[Reduced]] = {layer: [] for layer in encoders}
    tokens = np.zeros(len(texts), dtype=np.int64)
    for rows, streams in residuals(model, tokenizer, texts):
        tokens += np.bincount(rows, minlength=len(texts))
        for layer, encoder in encoders.items():
            for part in _whole_texts(rows, HELD // encoder.b_enc.size):
                active = encode(encoder, streams[layer][part])
                blocks[layer].append(_reduce(active, rows[part]))
    return {
        layer: _problem_sums(parts, tokens, np.asarray(subjects), encoders[layer].b_enc.size)
        for layer, parts in blocks.items()
    }


def _whole_texts(rows: np.ndarray, most: int) -> Iterator[slice]:
    """The tokens of a batch in parts of whole texts, of at most so many tokens or one text."""
    ends = [*(np.flatnonzero(np.diff(rows)) + 1).tolist(), len(rows)]
    start = 0
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        if following is None or following - start > most:
            yield slice(start, end)
            start = end


def _reduce(active: torch.Tensor, rows: np.ndarray) -> Reduced:
    """Counts, sums and maxima over the tokens of each text, where a feature fires at all."""
    local = torch.from_numpy(rows - rows[0])
    shape = (int(local[-1]) + 1, active.shape[1])
    index = local[:, None].expand_as(active)
    fires = torch.zeros(shape).index_add_(0, local, (active > 0).float()).numpy()
    sums = torch.zeros(shape).index_add_(0, local, active).numpy()
    maxima = torch.zeros(shape).scatter_reduce_(0, index, active, "amax").numpy()
    counted = sparse.csr_matrix(fires)
    where = counted.nonzero()
    return counted, sums[where], maxima[where]


def _problem_sums(
    parts: list[Reduced], tokens: np.ndarray, subjects: np.ndarray, n_features: int
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
