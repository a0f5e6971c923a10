"""Evaluation with lm-eval: a Minerva-style task for each subject over a local file of problems.

Two kinds of tasks: lm-eval's packaged `minerva_math` with its data set replaced by the study's own
problems, and a zero-shot form of it. Prompt, greedy decoding, stop sequence and math_verify scoring
are the same in both; the zero-shot form leaves out the second, slow metric (exact_match). One
process evaluates many edits on one resident model. lm-eval's own caches are not used: neither of
them is keyed by the model, so that one edit's answers could become another's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import datasets
import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from math_verify import parse, verify
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stethoscope.edits.editing import edited_weight
from stethoscope.evaluation.decoding import Stop, decode_greedily
from stethoscope.models.parameter_names import in_memory
from stethoscope.problems.records import completion, prompt
from stethoscope.task_vectors.task_vector import TaskVector

_TASK = "minerva_math_local_"
_STOP = "Problem:"
_MEAN = {"aggregation": "mean", "higher_is_better": True}
# The packaged tasks that are named otherwise than their subject.
_PACKAGED = {
    "number_theory": "num_theory",
    "counting_and_probability": "counting_and_prob",
    "precalculus": "precalc",
}

for _noisy in ("lm_eval", "lm-eval", "transformers", "datasets"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)
datasets.disable_progress_bars()


@dataclass(frozen=True)
class Questions:
    """What a model is asked, and how it may answer.

    max_gen_toks: cap on generated tokens. tasks: "local" (zero-shot) or "minerva_math" (lm-eval's
    packaged tasks). num_fewshot: of its four examples, for "minerva_math". chat_template: prompts
    are chats in the model's own form, each example a turn.
    """

    max_gen_toks: int
    tasks: str = "local"
    num_fewshot: int = 0
    chat_template: bool = False


class Backend(Protocol):
    """What answers: one resident base model that takes edits one after the other.

    lm: an lm-eval model with `length(prompt)`, which says how long the answer to a prompt was.
    about: settings that can change an answer, for the results.
    """

    lm: Any
    about: Mapping[str, Any]

    def edited(self, edit: TaskVector, folder: Path) -> AbstractContextManager:
        """The model with an edit for a while; folder is where the edit lies."""


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

    def generate_until(self, requests: list, disable_tqdm: bool = True) -> list[str]:
        check_requests(requests, self.tok_encode, self.tokenizer.bos_token_id, self.max_length)
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


def check_requests(
    requests: Sequence, encode: Callable[[str], list[int]], bos: int, max_length: int
) -> None:
    """Raise ValueError for a prompt without one BOS in front or room for its answer, or sampling.

    A prompt in a chat's form has BOS written out, and a tokenizer may put another before it; a
    prompt that is too long would be cut from the left without a word.
    """
    for text, how in (request.args for request in requests):
        ids, cap = encode(text), how["max_gen_toks"]
        if how.get("do_sample") or how.get("temperature"):
            raise ValueError(f"decoding is greedy, a task asks for {how}")
        if ids[0] != bos or ids.count(bos) != 1:
            raise ValueError(
                f"the tokenizer puts {ids.count(bos)} BOS into a prompt, expected one in front"
            )
        if len(ids) + cap > max_length:
            raise ValueError(
                f"evaluation.max_gen_toks: {cap} tokens after a prompt of {len(ids)} are "
                f"more than the model's {max_length}"
            )


@cache
def math_verify(solution: str, answer: str) -> tuple[int, int]:
    """(correct, parsed) as 0 or 1, scored as lm-eval's minerva_math does.

    Cached, since most edits answer most problems with the very same text.
    """
    parsed = parse(answer)
    return int(verify(gold=_gold(solution), target=parsed)), int(bool(parsed))


_gold = cache(parse)


def minerva_task(subject: str, problems: Sequence[Mapping], max_gen_toks: int) -> dict[str, Any]:
    """lm-eval configuration of one subject: zero-shot Minerva prompt, greedy, math_verify.

    problems: records with problem and solution. max_gen_toks: cap on generated tokens.
    """

    def score(doc: Mapping, results: Sequence[str]) -> dict[str, int]:
        correct, parsed = math_verify(doc["solution"], results[0])
        return {"math_verify": correct, "parsed": parsed}

    return {
        "task": f"{_TASK}{subject}",
        "custom_dataset": _local(problems),
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
        "metric_list": [{"metric": "math_verify", **_MEAN}, {"metric": "parsed", **_MEAN}],
        "num_fewshot": 0,
        "metadata": {"version": 1.0},
    }


def packaged_task(
    subject: str, problems: Sequence[Mapping], max_gen_toks: int, num_fewshot: int
) -> dict[str, Any]:
    """lm-eval's own minerva_math task of one subject, over these problems instead of the hub's.

    As `minerva_task`, with lm-eval's metrics and examples; the number of examples is given, since
    the package's default of four is not what each study asks for.
    """
    name = f"minerva_math_{_PACKAGED.get(subject, subject)}"
    task = load_yaml(Path(lm_eval.tasks.__file__).parent / "minerva_math" / f"{name}.yaml")
    for key in ("dataset_path", "dataset_name", "training_split", "tag"):
        task.pop(key)
    packaged = task["process_results"]

    def score(doc: Mapping, results: Sequence[str]) -> dict[str, int]:
        parsed = math_verify(doc["solution"], results[0])[1]
        return {**packaged(doc, results), "parsed": parsed}

    return task | {
        "custom_dataset": _local(problems),
        "process_results": score,
        "metric_list": [*task["metric_list"], {"metric": "parsed", **_MEAN}],
        "generation_kwargs": {**task["generation_kwargs"], "max_gen_toks": max_gen_toks},
        "num_fewshot": num_fewshot,
    }


class HuggingFace:
    """Answers of a transformers model, which edits change in place."""

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
        self.about = {
            "backend": "hf",
            "batch_size": batch_size,
            "model_dtype": str(model.dtype),
            "device": model.device.type,
            "torch_threads": torch.get_num_threads(),
        }

    def edited(self, edit: TaskVector, folder: Path) -> AbstractContextManager:
        """The model with an edit for a while."""
        return edited(self.model, edit)


class Evaluator:
    """A backend with the tasks of one split; `run` evaluates the model as it is at that moment."""

    def __init__(
        self, backend: Backend, problems: Mapping[str, Sequence[Mapping]], questions: Questions
    ) -> None:
        """problems: records by subject."""
        self.backend, self.questions = backend, questions
        tasks = {
            subject: minerva_task(subject, part, questions.max_gen_toks)
            if questions.tasks == "local"
            else packaged_task(subject, part, questions.max_gen_toks, questions.num_fewshot)
            for subject, part in problems.items()
        }
        self._subjects = {task["task"]: subject for subject, task in tasks.items()}
        self._tasks = TaskManager(include_defaults=False).load(list(tasks.values()))

    def run(self) -> tuple[dict, dict[str, list[dict]]]:
        """(lm-eval's results, samples by subject), without anything that changes between runs.

        Results are lm-eval's own JSON with the settings added and functions named; left out are
        dates, timings and the machine. A sample has doc_id, doc_hash, level, math_verify, parsed,
        n_tokens, truncated (the completion hit the cap) and the completion.

        Raises ValueError when a prompt is not led by BOS, once, or leaves too little room.
        """
        chat = self.questions.chat_template
        lm = self.backend.lm
        if chat and not lm.tokenizer.chat_template:
            raise ValueError("evaluation.chat_template: the model's tokenizer has none")
        lm.lengths.clear()
        found = lm_eval.evaluate(
            lm, self._tasks, log_samples=True, apply_chat_template=chat, fewshot_as_multiturn=chat
        )
        samples = {
            self._subjects[task]: [self._sample(row) for row in rows]
            for task, rows in found.pop("samples").items()
        }
        found["config"] = {
            **self.backend.about,
            **asdict(self.questions),
            **{f"{name}_version": version(name) for name in _VERSIONS},
        }
        return json.loads(json.dumps(found, default=_named)), samples

    def _sample(self, row: Mapping) -> dict:
        n_tokens, truncated = self.backend.lm.length(row["arguments"][0][0])
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

    fp32 weights are replaced: computed from the pristine ones, which are put back afterwards, so
    that nothing drifts over many edits. In bf16 weights a part of a small edit would be rounded
    away, and a bf16 output with the edit's part added is rounded back to where it was; so a bf16
    module computes with W + alpha * tau in fp32 for a while, and rounds its output once.

    Raises ValueError when a module of the edit is not an fp32 or bf16 weight of its shape.
    """
    parameters = dict(model.named_parameters())
    weights = {}
    for name, shape in edit.shapes().items():
        weight = parameters.get(f"{in_memory(name)}.weight")
        if weight is None:
            raise ValueError(f"edit: {name} matches no weight of the model")
        if weight.dtype not in (torch.float32, torch.bfloat16) or tuple(weight.shape) != shape:
            raise ValueError(
                f"edit: {name} is {weight.dtype} {tuple(weight.shape)}, "
                f"expected torch.float32 or torch.bfloat16 {shape}"
            )
        weights[name] = weight
    pristine, widened = {}, []
    try:
        with torch.no_grad():
            for name, weight in weights.items():
                before = weight.detach().float().cpu().numpy()
                changed = torch.from_numpy(edited_weight(before, edit.modules[name]))
                if weight.dtype == torch.float32:
                    pristine[name] = weight.detach().clone()
                    weight.copy_(changed)
                else:
                    module = model.get_submodule(in_memory(name))
                    module.forward = partial(_in_fp32, changed.to(weight.device), module.bias)
                    widened.append(module)
        yield model
    finally:
        for module in widened:
            del module.forward
        with torch.no_grad():
            for name, values in pristine.items():
                weights[name].copy_(values)


def _in_fp32(weight: torch.Tensor, bias: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """A linear module with fp32 weights between inputs and outputs of another type."""
    bias = None if bias is None else bias.float()
    return functional.linear(x.float(), weight, bias).to(x.dtype)


def _local(problems: Sequence[Mapping]) -> Callable[..., dict[str, datasets.Dataset]]:
    """What lm-eval calls in place of a download."""
    return lambda **_: {"test": datasets.Dataset.from_list(list(problems))}


_VERSIONS = ("lm_eval", "math_verify", "torch", "transformers")


def _named(value: Any) -> str:
    """A function in lm-eval's configuration, by name instead of by address."""
    if not callable(value):
        raise TypeError(f"lm-eval's results hold a {type(value).__name__}: {value!r}")
    return getattr(value, "__qualname__", type(value).__name__)
