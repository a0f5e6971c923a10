"""Evaluation with lm-eval: a Minerva-style task for each subject over a local file of problems.

Prompt, greedy decoding, stop sequence and math_verify scoring are those of lm-eval's packaged
`minerva_math`; only its second, slow metric (exact_match) is left out. One process evaluates
many edits on one resident model. lm-eval's own caches are not used: neither of them is keyed by
the model, so that one edit's answers could become another's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

import datasets
import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from math_verify import parse, verify
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stethoscope.data import completion, prompt
from stethoscope.decoding import Stop, decode_greedily
from stethoscope.editing import edited_weight
from stethoscope.spelling import in_memory
from stethoscope.taskvectors import TaskVector

_TASK = "minerva_math_local_"
_STOP = "Problem:"

for _noisy in ("lm_eval", "lm-eval", "transformers", "datasets"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)
datasets.disable_progress_bars()


class CountingHFLM(HFLM):
    """lm-eval's Hugging Face model with our greedy decoding, which knows how long each answer was.

    lm-eval keeps no token counts, and counting the tokens of a decoded text again is inexact.

    lengths: (tokens, whether the cap cut them off) by the prompt's tokens. The end token is not
    counted.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lengths: dict[tuple[int, ...], tuple[int, bool]] = {}
        self._stops: dict[tuple[str, ...], Stop] = {}
        if self.tok_encode("x")[0] != self.tokenizer.bos_token_id:
            raise ValueError("the tokenizer does not put BOS in front of a prompt")

    def generate_until(self, requests: list, disable_tqdm: bool = True) -> list[str]:
        return super().generate_until(requests, disable_tqdm=True)

    def _model_generate(
        self,
        context: torch.Tensor,
        max_length: int,
        stop: Sequence[str],
        attention_mask: torch.Tensor,
        **sampling: Any,
    ) -> torch.Tensor:
        if sampling.get("do_sample") or sampling.get("temperature"):
            raise ValueError(f"decoding is greedy, a task asks for {sampling}")
        if tuple(stop) not in self._stops:
            self._stops[tuple(stop)] = Stop.of(self.model, self.tokenizer, stop)
        ends, width = self._stops[tuple(stop)], context.shape[1]
        completions = decode_greedily(self.model, context, attention_mask, ends, max_length - width)
        for ids, mask, new in zip(
            context.tolist(), attention_mask.tolist(), completions, strict=True
        ):
            key = tuple(token for token, seen in zip(ids, mask, strict=True) if seen)
            n_tokens = len(new) - (new[-1] in ends.end_ids)
            self.lengths[key] = (n_tokens, not ends.reached(new))
        longest = max(map(len, completions))
        pad = self.tokenizer.pad_token_id
        padded = [new + [pad] * (longest - len(new)) for new in completions]
        return torch.cat([context, torch.tensor(padded, device=context.device)], dim=1)

    def length(self, text: str) -> tuple[int, bool]:
        """Tokens generated for a prompt (without the end token), and whether the cap cut them."""
        return self.lengths[tuple(self.tok_encode(text))]


@cache
def math_verify(solution: str, answer: str) -> tuple[int, int]:
    """(correct, parsed) as 0 or 1, scored as lm-eval's minerva_math does.

    Cached, since most edits answer most problems with the very same text.
    """
    parsed = parse(answer)
    return int(verify(gold=parse(solution), target=parsed)), int(bool(parsed))


def minerva_task(subject: str, problems: Sequence[Mapping], max_gen_toks: int) -> dict[str, Any]:
    """lm-eval configuration of one subject: zero-shot Minerva prompt, greedy, math_verify.

    problems: records with problem and solution. max_gen_toks: cap on generated tokens.
    """

    def score(doc: Mapping, results: Sequence[str]) -> dict[str, int]:
        correct, parsed = math_verify(doc["solution"], results[0])
        return {"math_verify": correct, "parsed": parsed}

    mean = {"aggregation": "mean", "higher_is_better": True}
    return {
        "task": f"{_TASK}{subject}",
        "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(list(problems))},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": lambda doc: prompt(doc["problem"]),
        "doc_to_target": lambda doc: completion(doc["solution"]),
        "process_results": score,
        "generation_kwargs": {
            "until": [_STOP],
            "do_sample": False,
            "temperature": 0,
            "max_gen_toks": max_gen_toks,
        },
        "metric_list": [{"metric": "math_verify", **mean}, {"metric": "parsed", **mean}],
        "num_fewshot": 0,
        "metadata": {"version": 1.0},
    }


class Evaluator:
    """A resident model with the tasks of one split; `run` evaluates it as it is at that moment."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        problems: Mapping[str, Sequence[Mapping]],
        batch_size: int,
        max_gen_toks: int,
    ) -> None:
        """problems: records by subject. batch_size is fixed, since it can change greedy answers.

        Raises ValueError when a prompt leaves less room than max_gen_toks: lm-eval would cut it.
        """
        self.model = model
        max_length = model.config.get_text_config().max_position_embeddings
        self.settings = {"batch_size": batch_size, "max_gen_toks": max_gen_toks}
        self._lm = CountingHFLM(
            pretrained=model,
            tokenizer=tokenizer,
            batch_size=batch_size,
            max_length=max_length,
        )
        prompts = [prompt(record["problem"]) for part in problems.values() for record in part]
        longest = max(len(self._lm.tok_encode(text)) for text in prompts)
        if longest + max_gen_toks > max_length:
            raise ValueError(
                f"evaluation.max_gen_toks: {max_gen_toks} tokens after a prompt of {longest} are "
                f"more than the model's {max_length}"
            )
        manager = TaskManager(include_defaults=False)
        self._tasks = manager.load(
            [minerva_task(subject, part, max_gen_toks) for subject, part in problems.items()]
        )

    def run(self) -> tuple[dict, dict[str, list[dict]]]:
        """(lm-eval's results, samples by subject), without anything that changes between runs.

        Results are lm-eval's own JSON with the settings added and functions named; left out are
        dates, timings and the machine. A sample has doc_id, doc_hash, level, math_verify, parsed,
        n_tokens, truncated (the completion hit the cap) and the completion.
        """
        self._lm.lengths.clear()
        found = lm_eval.evaluate(self._lm, self._tasks, log_samples=True)
        samples = {
            task.removeprefix(_TASK): [self._sample(row) for row in rows]
            for task, rows in found.pop("samples").items()
        }
        found["config"] = {
            **self.settings,
            "model_dtype": str(self.model.dtype),
            "torch_threads": torch.get_num_threads(),
            **{f"{name}_version": version(name) for name in _VERSIONS},
        }
        return json.loads(json.dumps(found, default=_named)), samples

    def _sample(self, row: Mapping) -> dict:
        n_tokens, truncated = self._lm.length(row["arguments"][0][0])
        return {
            "doc_id": row["doc_id"],
            "doc_hash": row["doc_hash"],
            "level": row["doc"]["level"],
            "math_verify": row["math_verify"],
            "parsed": row["parsed"],
            "n_tokens": n_tokens,
            "truncated": int(truncated),
            "completion": row["resps"][0][0],
        }


@contextmanager
def edited(model: PreTrainedModel, edit: TaskVector) -> Iterator[PreTrainedModel]:
    """The model with theta_l + alpha * tau_l in the edit's layers (paper, eq. 3), then restored.

    The edited weights are computed from the pristine ones and these are put back afterwards, so
    that nothing drifts over many edits. fp32 models only: in bf16 a part of the edit would be
    rounded away.

    Raises ValueError when a module of the edit is not an fp32 weight of the model, of its shape.
    """
    parameters = dict(model.named_parameters())
    modules = {in_memory(name): delta for name, delta in edit.modules.items()}
    for name, delta in modules.items():
        weight, shape = parameters.get(f"{name}.weight"), delta.shape
        if weight is None:
            raise ValueError(f"edit: {name} matches no weight of the model")
        if weight.dtype != torch.float32 or tuple(weight.shape) != shape:
            raise ValueError(
                f"edit: {name} is {weight.dtype} {tuple(weight.shape)}, "
                f"expected torch.float32 {shape}"
            )
    weights = {name: parameters[f"{name}.weight"] for name in modules}
    pristine = {name: weight.detach().clone() for name, weight in weights.items()}
    try:
        with torch.no_grad():
            for name, delta in modules.items():
                changed = edited_weight(pristine[name].cpu().numpy(), delta)
                weights[name].copy_(torch.from_numpy(changed))
        yield model
    finally:
        with torch.no_grad():
            for name, values in pristine.items():
                weights[name].copy_(values)


_VERSIONS = ("lm_eval", "math_verify", "torch", "transformers")


def _named(value: Any) -> str:
    """A function in lm-eval's configuration, by name instead of by address."""
    if not callable(value):
        raise TypeError(f"lm-eval's results hold a {type(value).__name__}: {value!r}")
    return getattr(value, "__qualname__", type(value).__name__)
