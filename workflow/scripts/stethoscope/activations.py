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
    blocks: dict[int, list[np.ndarray]] = {layer: [] for layer in encoders}
    tokens = np.zeros(len(texts), dtype=np.int64)
    for rows, streams in residuals(model, tokenizer, texts):
        first, last = rows[0], rows[-1]
        tokens += np.bincount(rows, minlength=len(texts))
        local = torch.from_numpy(rows - first)
        for layer, encoder in encoders.items():
            active = encode(encoder, streams[layer])
            blocks[layer].append(_reduce(active, local, last - first + 1))
    return {
        layer: _problem_sums(parts, tokens, np.asarray(subjects), encoders[layer].b_enc.size)
        for layer, parts in blocks.items()
    }


def _reduce(active: torch.Tensor, rows: torch.Tensor, n_rows: int) -> np.ndarray:
    """(3, rows, features) sum, count and maximum over the tokens of each row."""
    shape = (n_rows, active.shape[1])
    index = rows[:, None].expand_as(active)
    return np.stack(
        [
            torch.zeros(shape).index_add_(0, rows, active).numpy(),
            torch.zeros(shape).index_add_(0, rows, (active > 0).float()).numpy(),
            torch.zeros(shape).scatter_reduce_(0, index, active, "amax").numpy(),
        ]
    )


def _problem_sums(
    parts: list[np.ndarray], tokens: np.ndarray, subjects: np.ndarray, n_features: int
) -> ProblemSums:
    fires = sparse.vstack([sparse.csr_matrix(part[1]) for part in parts], format="csr")
    where = fires.nonzero()
    sums, maxima = (np.concatenate([part[kind] for part in parts])[where] for kind in (0, 2))
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
