"""One evaluation with lm-eval: a backend answers the problems of some subjects.

lm-eval's own caches are not used: neither is keyed by the model, so that one edit could get the
answers of another.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import datasets
import lm_eval
from lm_eval.tasks import TaskManager

from stethoscope.evaluation.backend import Backend
from stethoscope.evaluation.tasks import TaskOptions

_VERSIONS = ("lm_eval", "math_verify", "torch", "transformers")

for _noisy in ("lm_eval", "lm-eval", "transformers", "datasets"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)
datasets.disable_progress_bars()


class Evaluator:
    """A backend with the tasks of one split; `run` evaluates the model as it is at that moment."""

    def __init__(
        self, backend: Backend, problems: Mapping[str, Sequence[Mapping]], options: TaskOptions
    ) -> None:
        """problems: records by subject."""
        self.backend, self.options = backend, options
        tasks = {subject: options.task(subject, part) for subject, part in problems.items()}
        self._subjects = {task["task"]: subject for subject, task in tasks.items()}
        self._tasks = TaskManager(include_defaults=False).load(list(tasks.values()))

    def run(self) -> tuple[dict, dict[str, list[dict]]]:
        """(lm-eval's results, samples by subject), without anything that changes between runs.

        Results are lm-eval's own JSON with the settings added and functions named, without dates,
        timings and the machine. A sample has doc_id, doc_hash, level, math_verify, parsed,
        n_tokens, truncated (the completion hit the cap) and the completion.

        Raises ValueError when a prompt is not led by BOS, once, or leaves too little room.
        """
        chat = self.options.chat_template
        lm = self.backend.lm
        if chat and not lm.tokenizer.chat_template:
            raise ValueError("evaluation.chat_template: the model's tokenizer has none")
        lm.lengths().clear()
        results = lm_eval.evaluate(
            lm, self._tasks, log_samples=True, apply_chat_template=chat, fewshot_as_multiturn=chat
        )
        samples = {
            self._subjects[task]: [self._sample(row) for row in rows]
            for task, rows in results.pop("samples").items()
        }
        results["config"] = {
            **self.backend.settings,
            **asdict(self.options),
            **{f"{name}_version": version(name) for name in _VERSIONS},
        }
        return json.loads(json.dumps(results, default=_named)), samples

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


def _named(value: Any) -> str:
    """A function in lm-eval's configuration, by name instead of by address."""
    if not callable(value):
        raise TypeError(f"lm-eval's results hold a {type(value).__name__}: {value!r}")
    return getattr(value, "__qualname__", type(value).__name__)
