"""What the evaluated edits answered, problem by problem, as one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from stethoscope.runtime.files import read_json, read_jsonl
from stethoscope.runtime.jobs import seed_of

COLUMNS = [
    "seed", "edit", "alpha", "subject", "doc_hash", "correct", "parsed", "truncated", "n_tokens",
    "completion",
]  # fmt: skip


def read_answers(evaluations: Iterable[str | Path], subjects: Sequence[str]) -> pd.DataFrame:
    """One row a problem and edit, columns `COLUMNS`, of what `evaluate_edits` wrote.

    evaluations: its JSON files, in any number; the samples lie in folders beside each. correct,
    parsed, truncated: 0 or 1.
    """
    rows = []
    for path in map(Path, evaluations):
        seed = seed_of(path)
        for place in read_json(path)["written"]:
            edit, alpha = place.split("/alpha-")
            for subject in subjects:
                for sample in read_jsonl(path.parent / place / f"samples_{subject}.jsonl"):
                    values = {"correct": sample["math_verify"]} | {
                        name: sample[name] for name in COLUMNS[6:] + ["doc_hash"]
                    }
                    about = {"seed": seed, "edit": edit, "alpha": float(alpha), "subject": subject}
                    rows.append(about | values)
    return pd.DataFrame(rows, columns=COLUMNS)
