"""Evaluation with transformers: edits change the weights of a loaded base model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stethoscope.edits.apply import edited
from stethoscope.evaluation.backend import AnswerLengths
from stethoscope.evaluation.decoding import Stop, decode_greedily
from stethoscope.task_vectors.task_vector import TaskVector


class CountingHFLM(AnswerLengths, HFLM):
    """lm-eval's Hugging Face model with our greedy decoding, which keeps the length of each answer.

    lm-eval keeps no token counts, and counting the tokens of a decoded text again is inexact.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._stops: dict[tuple[str, ...], Stop] = {}

    def generate_until(self, requests: list, disable_tqdm: bool = True) -> list[str]:
        self.check(requests)
        return super().generate_until(requests, disable_tqdm=True)

    def _model_generate(
        self,
        context: torch.Tensor,
        max_length: int,
        stop: Sequence[str],
        attention_mask: torch.Tensor,
        **_sampling: Any,
    ) -> torch.Tensor:
        if tuple(stop) not in self._stops:
            self._stops[tuple(stop)] = Stop.of(self.model, self.tokenizer, stop)
        ends, width = self._stops[tuple(stop)], context.shape[1]
        completions = decode_greedily(self.model, context, attention_mask, ends, max_length - width)
        for ids, mask, new in zip(
            context.tolist(), attention_mask.tolist(), completions, strict=True
        ):
            prompt = [token for token, seen in zip(ids, mask, strict=True) if seen]
            n_tokens = len(new) - (new[-1] in ends.end_ids)
            self.keep_length(prompt, n_tokens, not ends.reached(new))
        longest = max(map(len, completions))
        pad = self.tokenizer.pad_token_id
        padded = [new + [pad] * (longest - len(new)) for new in completions]
        return torch.cat([context, torch.tensor(padded, device=context.device)], dim=1)


class HuggingFace:
    """A transformers model that evaluates edits in turn."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int
    ) -> None:
        """batch_size is fixed, since it can change greedy answers."""
        self.model = model
        self.lm = CountingHFLM(
            pretrained=model,
            tokenizer=tokenizer,
            batch_size=batch_size,
            max_length=model.config.get_text_config().max_position_embeddings,
        )
        self.settings = {
            "backend": "hf",
            "batch_size": batch_size,
            "model_dtype": str(model.dtype),
            "device": model.device.type,
            "torch_threads": torch.get_num_threads(),
        }

    def edited(self, edit: TaskVector, folder: Path) -> AbstractContextManager:
        """A context in which the model has an edit."""
        return edited(self.model, edit)
