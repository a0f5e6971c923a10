"""lm-eval's tasks: a Minerva-style one for each subject, over a local file of problems.

Two kinds: lm-eval's packaged `minerva_math` with its data set replaced by the study's own problems,
and a zero-shot form of it. Prompt, greedy decoding, stop sequence and math_verify scoring are the
same in both; the zero-shot form leaves out the second, slow metric (exact_match).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import lm_eval
from lm_eval.tasks._yaml_loader import load_yaml
from math_verify import parse, verify

from stethoscope.problems.records import completion, prompt

_TASK = "minerva_math_local_"
_STOP = "Problem:"
_MEAN = {"aggregation": "mean", "higher_is_better": True}
# Packaged tasks whose name differs from their subject.
_PACKAGED = {
    "number_theory": "num_theory",
    "counting_and_probability": "counting_and_prob",
    "precalculus": "precalc",
}


@dataclass(frozen=True)
class TaskOptions:
    """Options of prompts and answers.

    max_gen_toks: cap on generated tokens. tasks: "local" (zero-shot) or "minerva_math" (lm-eval's
    packaged tasks). num_fewshot: of its four examples, for "minerva_math". chat_template: prompts
    are chats in the model's own form, each example a turn.
    """

    max_gen_toks: int
    tasks: str
    num_fewshot: int
    chat_template: bool

    def task(self, subject: str, problems: Sequence[Mapping]) -> dict[str, Any]:
        """lm-eval configuration of one subject."""
        if self.tasks == "local":
            return minerva_task(subject, problems, self.max_gen_toks)
        return packaged_task(subject, problems, self.max_gen_toks, self.num_fewshot)


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

    As `minerva_task`, with lm-eval's metrics and num_fewshot of its four examples.
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


def _local(problems: Sequence[Mapping]) -> Callable[..., dict[str, datasets.Dataset]]:
    """The function that lm-eval calls instead of a download."""
    return lambda **_: {"test": datasets.Dataset.from_list(list(problems))}
