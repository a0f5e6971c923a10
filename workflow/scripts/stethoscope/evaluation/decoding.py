"""Greedy decoding in which finished completions leave the batch.

transformers' own `generate` keeps every row until the longest of the batch is done. Most answers
to a maths problem are far shorter than the longest, so that more than half of its work is wasted;
here finished rows leave the batch (benchmarks/decoding.py measures the saving).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

# Rows leave together once a tenth is finished: each time, all keys and values are copied.
_WORTH_COPYING = 0.9


@dataclass(frozen=True)
class Stop:
    """The ends of a completion: an end token, or a text in it.

    end_ids: the tokenizer's and the model's end tokens. texts: such as minerva_math's "Problem:".
    """

    tokenizer: PreTrainedTokenizerBase
    end_ids: frozenset[int]
    texts: tuple[str, ...]

    @classmethod
    def of(
        cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
    ) -> Stop:
        """The model's and the tokenizer's end tokens, and those of the texts that are no token."""
        ends = model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or ())
        ends.add(tokenizer.eos_token_id)
        special = {tokenizer.decode([token]) for token in ends}
        return cls(tokenizer, frozenset(ends), tuple(text for text in texts if text not in special))

    @cached_property
    def last_ids(self) -> frozenset[int]:
        """Tokens that can complete one of the texts: those that hold its last character."""
        pieces = self.tokenizer.batch_decode([[token] for token in range(len(self.tokenizer))])
        lasts = {text[-1] for text in self.texts}
        return frozenset(token for token, piece in enumerate(pieces) if lasts & set(piece))

    def reached(self, tokens: list[int]) -> bool:
        """Whether the last token of a completion ends it."""
        if tokens[-1] in self.end_ids:
            return True
        if tokens[-1] not in self.last_ids:
            return False
        text = self.tokenizer.decode(tokens)
        return any(stop in text for stop in self.texts)


@torch.inference_mode()
def decode_greedily(
    model: PreTrainedModel,
    prompts: torch.Tensor,
    attention_mask: torch.Tensor,
    stop: Stop,
    max_new_tokens: int,
) -> list[list[int]]:
    """Completion of each prompt: the likeliest token at each step, with the end included.

    prompts: (rows, width) token ids, padded on the left; attention_mask: the same shape, 0 where
    padded. The tokens are those of `model.generate(do_sample=False)` up to rounding, since the
    number of rows in a matrix product can change its last bits.
    """
    completions: list[list[int]] = [[] for _ in prompts]
    rows, going = list(range(len(prompts))), set(range(len(prompts)))
    cache = DynamicCache(config=model.config)
    tokens, positions = prompts, (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
    for step in range(1, max_new_tokens + 1):
        logits = model(
            input_ids=tokens,
            attention_mask=attention_mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        tokens = logits[:, -1].argmax(dim=-1, keepdim=True)
        for row, token in zip(rows, tokens[:, 0].tolist(), strict=True):
            if row in going:
                completions[row].append(token)
                if stop.reached(completions[row]):
                    going.remove(row)
        if step == max_new_tokens or not going:
            break
        if len(going) <= _WORTH_COPYING * len(rows):
            indices = [index for index, row in enumerate(rows) if row in going]
            rows = [rows[index] for index in indices]
            keep = torch.tensor(indices, device=tokens.device)
            cache.batch_select_indices(keep)
            tokens, attention_mask, positions = (
                values[keep] for values in (tokens, attention_mask, positions)
            )
        positions = positions[:, -1:] + 1
        attention_mask = torch.cat([attention_mask, torch.ones_like(tokens)], dim=1)
    return completions
