"""The interface of evaluation backends, and the checks that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from stethoscope.task_vectors.task_vector import TaskVector


class Backend(Protocol):
    """A loaded base model that evaluates edits in turn.

    lm: an lm-eval model with `AnswerLengths`. settings: those that can change an answer, for
    the results.
    """

    lm: Any
    settings: Mapping[str, Any]

    def edited(self, edit: TaskVector, folder: Path) -> AbstractContextManager:
        """A context in which the model has an edit; folder: of the edit."""


class AnswerLengths:
    """Mixin of the lm-eval models: checks requests, and keeps the length of each answer."""

    tok_encode: Callable[[str], list[int]]
    tokenizer: Any
    max_length: int

    def check(self, requests: Sequence) -> None:
        """Apply `check_requests` with this model's tokenizer."""
        check_requests(requests, self.tok_encode, self.tokenizer.bos_token_id, self.max_length)

    def keep_length(self, prompt: Sequence[int], n_tokens: int, truncated: bool) -> None:
        """Keep tokens generated for a prompt (without the end token), and whether the cap cut."""
        self.lengths()[tuple(prompt)] = (n_tokens, truncated)

    def length(self, text: str) -> tuple[int, bool]:
        """Tokens generated for a prompt (without the end token), and whether the cap cut them."""
        return self.lengths()[tuple(self.tok_encode(text))]

    def lengths(self) -> dict[tuple[int, ...], tuple[int, bool]]:
        """(tokens, truncated) by the tokens of the prompt."""
        return self.__dict__.setdefault("_lengths", {})


def check_requests(
    requests: Sequence, encode: Callable[[str], list[int]], bos: int, max_length: int
) -> None:
    """Raise ValueError for a prompt without one BOS in front or room for its answer, or sampling.

    A prompt in a chat's form has BOS written out, and a tokenizer may put another before it; a
    prompt that is too long would be cut from the left without a warning.
    """
    for text, settings in (request.args for request in requests):
        ids, cap = encode(text), settings["max_gen_toks"]
        if settings.get("do_sample") or settings.get("temperature"):
            raise ValueError(f"decoding is greedy, a task asks for {settings}")
        if ids[0] != bos or ids.count(bos) != 1:
            raise ValueError(
                f"the tokenizer puts {ids.count(bos)} BOS into a prompt, expected one in front"
            )
        if len(ids) + cap > max_length:
            raise ValueError(
                f"evaluation.max_gen_toks: {cap} tokens after a prompt of {len(ids)} are "
                f"more than the model's {max_length}"
            )
