"""Evaluating edits: a loaded base model applies each in turn and answers the problems.

The answers of each edit are in one folder: lm-eval's results.json and the samples of each
subject. An edit that equals one evaluated earlier gets the answers of that one (`reuse`).

PyTorch and lm-eval take seconds to import: they are imported only where a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stethoscope.edits.files import read_edit
from stethoscope.names import EditId, edit_folder, samples_file
from stethoscope.problems.records import of_subject, read_problems
from stethoscope.runtime.files import (
    atomic_folder,
    folder_digests,
    read_json,
    read_jsonl,
    write_json,
    write_jsonl,
)
from stethoscope.task_vectors.task_vector import check_base

if TYPE_CHECKING:
    from stethoscope.evaluation.backend import Backend
    from stethoscope.evaluation.runner import Evaluator
    from stethoscope.evaluation.tasks import TaskOptions


class Evaluation:
    """Evaluates the edits of one folder; the model is loaded when it is first needed."""

    def __init__(
        self,
        base: Path,
        folder: Path,
        edits: Sequence[EditId],
        generation: Mapping[str, Any],
        device: str,
    ) -> None:
        """base: folder of the model. folder: of the edits. edits: all to be evaluated.

        generation: settings of a study's evaluation.
        """
        self.base, self.folder = base, folder
        folders = [folder / edit_folder(edit) for edit in edits]
        self._backend = cache(lambda: load_backend(base, folders, generation, device))

    def evaluator(self, problems: str | Path, subjects: Sequence[str]) -> Evaluator:
        """The loaded model with the problems of some subjects of a file."""
        from stethoscope.evaluation.runner import Evaluator

        (backend, options), records = self._backend(), read_problems(problems)
        parts = {subject: of_subject(records, subject) for subject in subjects}
        return Evaluator(backend, parts, options)

    def run(
        self,
        edits: Sequence[EditId],
        problems: str | Path,
        subjects: Sequence[str],
        target: Path,
        progress: Callable[[str], None],
        reusable: Mapping[EditId, Path] | None = None,
    ) -> dict[str, dict]:
        """Answers of edits to the problems of some subjects, as folders in `target`.

        reusable: folders with the answers of equal edits to the same problems. Returns a record of
        each edit by its folder: spec, draw, alpha; `correct` answers of `n`; `reuses`, the folder
        of the edit whose answers these are, if of another; sha256 of the `files`.

        Raises ValueError for an edit that was made for another base.
        """
        evaluator, written = cache(lambda: self.evaluator(problems, subjects)), {}
        for number, edit in enumerate(edits, start=1):
            name = edit_folder(edit)
            added, source = read_edit(self.folder / name), (reusable or {}).get(edit)
            check_base(added, self.base, self.folder / name)
            if source is None:
                loaded = evaluator()
                with loaded.backend.edited(added, self.folder / name):
                    results, samples = loaded.run()
            else:
                results = read_json(source / "results.json")
                samples = {s: read_jsonl(source / samples_file(s)) for s in subjects}
            results["edit"] = read_json(self.folder / name / "edit.json")
            with atomic_folder(target / name) as folder:
                write_json(folder / "results.json", results)
                for subject, rows in samples.items():
                    write_jsonl(folder / samples_file(subject), rows)
            correct = sum(row["math_verify"] for rows in samples.values() for row in rows)
            n, reuses = sum(map(len, samples.values())), None
            if source is not None:
                reuses = source.relative_to(source.parents[1]).as_posix()
            written[name] = {**asdict(edit), "correct": correct, "n": n, "reuses": reuses}
            written[name]["files"] = folder_digests(target / name)
            line = f"{target.name} {number}/{len(edits)} {name}: {correct} of {n} right"
            progress(line + (f", as {reuses}" if reuses else ""))
        return written


def load_backend(
    base: Path, edits: Iterable[Path], generation: Mapping[str, Any], device: str
) -> tuple[Backend, TaskOptions]:
    """The backend of a study with the base model loaded, and the options of its tasks.

    base: folder of the model. edits: folders of all edits to be evaluated. generation:
    settings of a study's evaluation.
    """
    import torch

    from stethoscope.evaluation.hf import HuggingFace
    from stethoscope.evaluation.tasks import TaskOptions
    from stethoscope.models.base import load_model, load_tokenizer

    settings = dict(generation)
    name, dtype, batch_size = (settings.pop(key) for key in ("backend", "dtype", "batch_size"))
    tasks, tokenizer = TaskOptions(**settings), load_tokenizer(base)
    if name == "vllm":
        from stethoscope.evaluation.vllm import Vllm

        cap = tasks.max_gen_toks
        return Vllm(base, tokenizer, list(edits), batch_size, cap, dtype), tasks
    model = load_model(base, getattr(torch, dtype)).to(device)
    return HuggingFace(model, tokenizer, batch_size), tasks
