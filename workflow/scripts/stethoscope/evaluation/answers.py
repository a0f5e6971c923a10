"""Answers of evaluated edits, problem by problem, as one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from stethoscope.names import EditId, edit_name, samples_file
from stethoscope.runtime.files import read_json, read_jsonl

COLUMNS = [
    "seed", "edit", "alpha", "subject", "doc_hash", "correct", "parsed", "truncated", "n_tokens",
    "completion",
]  # fmt: skip


def read_answers(evaluations: Iterable[str | Path], subjects: Sequence[str]) -> pd.DataFrame:
    """One row a problem and edit, columns `COLUMNS`, from the files of `evaluate_edits`.

    evaluations: its JSON files; the samples are in folders beside each. correct,
    parsed, truncated: 0 or 1.
    """
    rows = []
    for path in map(Path, evaluations):
        evaluation = read_json(path)
        for folder, record in evaluation["written"].items():
            edit = EditId.of(record)
            run = {"seed": evaluation["seed"], "edit": edit_name(edit), "alpha": edit.alpha}
            for subject in subjects:
                for sample in read_jsonl(path.parent / folder / samples_file(subject)):
                    values = {"correct": sample["math_verify"]} | {
                        name: sample[name] for name in COLUMNS[6:] + ["doc_hash"]
                    }
                    rows.append({**run, "subject": subject, **values})
    return pd.DataFrame(rows, columns=COLUMNS)
