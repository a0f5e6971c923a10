"""How likely a model finds given solutions: the loss that gains and searches are measured by.

The same loss that training minimizes, over solution tokens (with <eos>) alone; its exponential is
the perplexity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from stethoscope.models.training import collate, encode, weighted_loss

Batch = tuple[torch.Tensor, torch.Tensor]


def solution_batches(
    tokenizer: Tokenizer, problems: Sequence[Mapping[str, str]], batch_size: int = 32
) -> list[Batch]:
    """Problems with their solutions in batches of similar length: token ids, loss weights.

    Raises ValueError if there are no problems.
    """
    examples = sorted(encode(tokenizer, problems), key=lambda example: len(example.ids))
    return [
        collate(examples[start : start + batch_size], tokenizer.pad_token_id, prompt_weight=0.0)
        for start in range(0, len(examples), batch_size)
    ]


def n_tokens(batches: Sequence[Batch]) -> float:
    """Solution tokens in all batches."""
    return sum(float(weights.sum()) for _, weights in batches)


def solution_loss(model: PreTrainedModel, batches: Sequence[Batch]) -> float:
    """Mean negative log-likelihood of a solution token, in nats, over all batches together."""
    device = model.device
    with torch.inference_mode():
        total = sum(
            float(weighted_loss(model, ids.to(device), weights.to(device))) * float(weights.sum())
            for ids, weights in batches
        )
    return total / n_tokens(batches)
