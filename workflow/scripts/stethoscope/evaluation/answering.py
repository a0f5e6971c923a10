"""Edits answer problems, one after the other on one resident model.

What each answers goes into a folder of its own: lm-eval's results.json and the samples of each
subject. An edit that another family has made and asked already is not asked again: its answers
would be the same, byte for byte. PyTorch and lm-eval take seconds to import, so that they are
imported where a model is loaded, and not where all answers are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stethoscope.edits.editing import read_edit
from stethoscope.problems.records import of_subject, read_problems
from stethoscope.runtime.files import (
    atomic_folder,
    folder_digests,
    read_json,
    read_jsonl,
    write_json,
    write_jsonl,
)
from stethoscope.statistics.paired import choose_alpha
from stethoscope.task_vectors.task_vector import check_base

if TYPE_CHECKING:
    from stethoscope.evaluation.evaluation import Backend, Evaluator, Questions


def evaluators(
    base: Path, places: Iterable[Path], generation: Mapping[str, Any], device: str
) -> Callable[[str, Sequence[str]], Evaluator]:
    """What makes an evaluator of a file's problems of some subjects; all share one model.

    The model is loaded for the first evaluator. The arguments are those of `backend`.
    """
    resident = cache(lambda: backend(base, places, generation, device))

    def evaluator(path: str, subjects: Sequence[str]) -> Evaluator:
        from stethoscope.evaluation.evaluation import Evaluator

        (answers, questions), problems = resident(), read_problems(path)
        parts = {subject: of_subject(problems, subject) for subject in subjects}
        return Evaluator(answers, parts, questions)

    return evaluator


def backend(
    base: Path, places: Iterable[Path], generation: Mapping[str, Any], device: str
) -> tuple[Backend, Questions]:
    """What answers, with the base model loaded, and what it is asked.

    base: folder of the model. places: folders of all edits that are to come. generation: settings
    of a study's evaluation.
    """
    import torch

    from stethoscope.evaluation.evaluation import HuggingFace, Questions
    from stethoscope.models.base import load_model, load_tokenizer

    how = dict(generation)
    name, dtype, batch_size = (how.pop(key) for key in ("backend", "dtype", "batch_size"))
    questions, tokenizer = Questions(**how), load_tokenizer(base)
    if name == "vllm":
        from stethoscope.evaluation.vllm import Vllm  # not imported where nobody asks for it

        cap = questions.max_gen_toks
        return Vllm(base, tokenizer, list(places), batch_size, cap, dtype), questions
    model = load_model(base, getattr(torch, dtype)).to(device)
    return HuggingFace(model, tokenizer, batch_size), questions


def answer(
    evaluator: Callable[[], Evaluator],
    base: Path,
    edits: Path,
    places: Iterable[str],
    target: Path,
    progress: Callable[[str], None],
    known: Mapping[str, Path] | None = None,
) -> dict[str, tuple[int, int]]:
    """Evaluate edits; (right, asked) of each by its place, such as sp/alpha-1.0.

    evaluator: makes it; called once, when the first edit has to be asked. base: folder of the
    evaluator's model. edits: folder in which the places are. target: JSON file that lists what was
    written, in folders beside it, and whose answers were taken over. known: as `already_answered`
    finds them.

    Raises ValueError for an edit that was made for another base.
    """
    ask, known = cache(evaluator), known or {}
    places, written, taken, counts = list(places), {}, {}, {}
    for number, place in enumerate(places, start=1):
        check_base(edit := read_edit(edits / place), base, edits / place)
        source = known.get(place)
        if source is None:
            asked = ask()
            with asked.backend.edited(edit, edits / place):
                results, samples = asked.run()
        else:
            taken[place] = f"{source.parent.name}/{source.name}"
            results, samples = _read(source)
        results["edit"] = read_json(edits / place / "edit.json")
        with atomic_folder(target.parent / place) as folder:
            write_json(folder / "results.json", results)
            for subject, rows in samples.items():
                write_jsonl(folder / f"samples_{subject}.jsonl", rows)
        written[place] = folder_digests(target.parent / place)
        right = sum(row["math_verify"] for rows in samples.values() for row in rows)
        counts[place] = right, sum(map(len, samples.values()))
        line = f"{target.parent.name} {number}/{len(places)} {place}: {right} of {counts[place][1]}"
        progress(f"{line} right{f', as {taken[place]}' if source else ''}")
    listed = {"family": target.stem, "split": target.parent.name, "written": written}
    write_json(target, listed | {"same_edit": taken})
    return counts


def already_answered(
    evaluations: Iterable[str], edits: Path, written: Mapping[str, Mapping[str, str]]
) -> dict[str, Path]:
    """Folders with the answers of equal edits of other families, by the place of the edit here.

    evaluations: JSON files that `answer` wrote on the same problems. edits: folder with the JSON
    files of the same names that list the edits. written: digests by place, as such a file lists
    the edits that are to be asked.
    """
    answers = {}
    for path in map(Path, evaluations):
        made = read_json(edits / path.name)["written"]
        answered = read_json(path)["written"]
        answers |= {_added(made[place]): path.parent / place for place in answered}
    return {
        place: answers[_added(digests)]
        for place, digests in written.items()
        if _added(digests) in answers
    }


def _added(digests: Mapping[str, str]) -> frozenset:
    """What an edit adds to its base, whatever it is called: its files without its description."""
    return frozenset(item for item in digests.items() if item[0] != "edit.json")


def _read(folder: Path) -> tuple[dict, dict[str, list[dict]]]:
    """Results and samples by subject, as `answer` wrote them."""
    samples = {
        path.stem.removeprefix("samples_"): read_jsonl(path)
        for path in sorted(folder.glob("samples_*.jsonl"))
    }
    return read_json(folder / "results.json"), samples


def choices(counts: dict[str, tuple[int, int]]) -> dict[str, dict]:
    """The chosen alpha of each draw of an edit, and the grid that it was chosen from.

    counts: (right, asked) by place, of validation problems.
    """
    grids: dict[str, list[dict]] = {}
    for place, (right, asked) in counts.items():
        edit, alpha = place.split("/alpha-")
        grids.setdefault(edit, []).append({"alpha": float(alpha), "n": asked, "correct": right})
    return {
        edit: {"grid": grid, "chosen": choose_alpha(pd.DataFrame(grid))}
        for edit, grid in grids.items()
    }
