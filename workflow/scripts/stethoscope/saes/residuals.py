"""Residual streams of decoder layers, and their cache on disk.

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
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stethoscope.models.base import decoder_layers, load_model, load_tokenizer

# Of a batch of texts, padding included: with 34 layers of width 2560 in bf16, 2.9 GB of residuals.
_TOKENS = 1 << 14


def cache_residuals(
    model: str | Path,
    texts: Mapping[str, Sequence[str]],
    folder: Path,
    device: str = "cpu",
    dtype: str = "float32",
) -> dict[str, StoredResiduals]:
    """Residuals of several lists of texts, by name, each stored in a folder of its own.

    model: folder of the base, which is loaded in a dtype of torch and freed before the first SAE is
    read.
    """
    base = load_model(model, getattr(torch, dtype)).to(device)
    tokenizer = load_tokenizer(model)
    return {
        name: store_residuals(residuals(base, tokenizer, group), folder / name)
        for name, group in texts.items()
    }


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


def _batches(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], batch_size: int, tokens: int
) -> Iterator[tuple[int, list[dict]]]:
    """(number of the first text, encodings) of each batch of texts, in their order."""
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
