"""The loss that training minimizes, and that gains and searches measure.

Cross-entropy of solution tokens (with <eos>), and of prompt tokens by a set weight. The exponential
of `solution_loss` is the perplexity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from peft import PeftModel
from torch.nn import functional
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from stethoscope.problems.records import completion, prompt

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Example:
    """A tokenized problem: <bos> prompt solution <eos>, of which the first n_prompt are prompt."""

    ids: tuple[int, ...]
    n_prompt: int


def encode(tokenizer: Tokenizer, problems: Sequence[Mapping[str, str]]) -> list[Example]:
    """Tokenize problems for training.

    Prompt and solution are tokenized apart, so that the model learns to continue exactly the
    tokens that an evaluation gives it.

    Raises ValueError if there are no problems.
    """
    if not problems:
        raise ValueError("no problems to train on")
    prompts = tokenizer([prompt(problem["problem"]) for problem in problems])["input_ids"]
    solutions = tokenizer(
        [completion(problem["solution"]) for problem in problems], add_special_tokens=False
    )["input_ids"]
    return [
        Example((*head, *tail, tokenizer.eos_token_id), len(head))
        for head, tail in zip(prompts, solutions, strict=True)
    ]


def collate(
    examples: Sequence[Example], pad_id: int, prompt_weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (batch, length), padded on the right, and the loss weight of each token.

    The weight of a token is that of predicting it from the ones before it: 0 for <bos> and
    padding, prompt_weight for the prompt, 1 for the solution and its <eos>.
    """
    length = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), length), pad_id)
    weights = torch.zeros(len(examples), length)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        weights[row, 1 : example.n_prompt] = prompt_weight
        weights[row, example.n_prompt : len(example.ids)] = 1.0
    return ids, weights


def weighted_loss(
    model: PreTrainedModel | PeftModel, ids: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Mean cross-entropy of the next token (nats), weighted by `weights` as made by `collate`.

    The vocabulary's logits are computed only where the weight is not 0.
    """
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    # The decoder itself, since a multimodal wrapper wants image arguments when it trains.
    hidden = base.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    targets, weights = ids[:, 1:], weights[:, 1:]
    counted = weights > 0
    logits = base.get_output_embeddings()(hidden[counted])
    losses = functional.cross_entropy(logits.float(), targets[counted], reduction="none")
    return (losses * weights[counted]).sum() / weights.sum()


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
