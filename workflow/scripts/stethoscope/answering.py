"""Edits answer problems, one after the other on one resident model.

What each answers goes into a folder of its own: lm-eval's results.json and the samples of each
subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from stethoscope.comparisons import choose_alpha
from stethoscope.editing import read_edit
from stethoscope.evaluation import Backend, Evaluator, HuggingFace, Questions
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import (
    atomic_folder,
    folder_digests,
    read_json,
    write_json,
    write_jsonl,
)
from stethoscope.taskvectors import check_base


def backend(
    base: Path, places: Iterable[Path], generation: Mapping[str, Any], device: str
) -> tuple[Backend, Questions]:
    """What answers, with the base model loaded, and what it is asked.

    base: folder of the model. places: folders of all edits that are to come. generation: settings
    of a study's evaluation.
    """
    how = dict(generation)
    name, dtype, batch_size = (how.pop(key) for key in ("backend", "dtype", "batch_size"))
    questions, tokenizer = Questions(**how), load_tokenizer(base)
    if name == "vllm":
        from stethoscope.serving import Vllm  # not imported where nobody asks for it

        cap = questions.max_gen_toks
        return Vllm(base, tokenizer, list(places), batch_size, cap, dtype), questions
    model = load_model(base, getattr(torch, dtype)).to(device)
    return HuggingFace(model, tokenizer, batch_size), questions


def answer(
    evaluator: Evaluator,
    base: Path,
    edits: Path,
    places: Iterable[str],
    target: Path,
    progress: Callable[[str], None],
) -> dict[str, tuple[int, int]]:
    """Evaluate edits; (right, asked) of each by its place, such as sp/alpha-1.0.

    base: folder of the evaluator's model. edits: folder in which the places are. target: JSON file
    that lists what was written, in folders beside it.

    Raises ValueError for an edit that was made for another base.
    """
    places, written, counts = list(places), {}, {}
    for number, place in enumerate(places, start=1):
        edit = read_edit(edits / place)
        check_base(edit, base, edits / place)
        with evaluator.backend.edited(edit, edits / place):
            results, samples = evaluator.run()
        results["edit"] = read_json(edits / place / "edit.json")
        with atomic_folder(target.parent / place) as folder:
            write_json(folder / "results.json", results)
            for subject, rows in samples.items():
                write_jsonl(folder / f"samples_{subject}.jsonl", rows)
        written[place] = folder_digests(target.parent / place)
        right = sum(row["math_verify"] for rows in samples.values() for row in rows)
        counts[place] = right, sum(map(len, samples.values()))
        asked = counts[place][1]
        progress(f"{target.parent.name} {number}/{len(places)} {place}: {right} of {asked} right")
    write_json(target, {"family": target.stem, "split": target.parent.name, "written": written})
    return counts


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
