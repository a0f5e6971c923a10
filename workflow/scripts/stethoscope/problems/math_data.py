"""MATH's own problems: read from any of its layouts, and split (paper, section 4).

One digest identifies the records in every layout of files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from stethoscope.problems.records import FIELDS, SUBJECTS
from stethoscope.runtime.files import read_json, read_jsonl, sha256_bytes

Record = dict[str, str]
_SPLITS = ("train", "test")


def read_math(files: Mapping[str, Path]) -> dict[str, list[Record]]:
    """The train and test problems among some files, in a fixed order whatever the layout.

    files: by path below the root; `train.jsonl` and `test.jsonl`, Parquet files with train or test
    as a part of their path (as `number_theory/train-00000-of-00001.parquet`), or the original tree
    `train/number_theory/1.json`. Of a record only MATH's four fields are kept.

    Raises ValueError, in one line, when a split is missing or a record lacks a field of MATH.
    """
    splits: dict[str, list[Record]] = {split: [] for split in _SPLITS}
    for name, path in files.items():
        for split in _SPLITS:
            if any(part.split("-")[0].split(".")[0] == split for part in name.split("/")):
                splits[split] += _read(path)
    for split, records in splits.items():
        if not records:
            raise ValueError(f"no problems of MATH's {split} split among {', '.join(files)}"[:300])
        splits[split] = sorted(records, key=_line)
    return splits


def math_digest(splits: Mapping[str, Sequence[Record]]) -> str:
    """sha256 of all problems: of their lines {problem, solution, level, type}, sorted, by split."""
    text = "".join(
        f"{split}\n" + "".join(f"{_line(record)}\n" for record in splits[split])
        for split in _SPLITS
    )
    return sha256_bytes(text.encode())


def split_math(
    splits: Mapping[str, Sequence[Record]],
    sizes: Mapping[str, Mapping[str, int]],
    seed: int,
) -> dict[str, list[Record]]:
    """train, validation, probe and test problems of some subjects, no problem in two of them.

    sizes: number of validation and of probe problems by subject. They are drawn from MATH's
    training set in the order of a hash of seed and problem, which no file order and no other
    problem changes; train gets the rest, in the same order. A problem that stands in the training
    set twice counts once, and one that is in the test set as well is left out.

    Raises ValueError when a subject has too few.
    """
    drawn: dict[str, list[Record]] = {name: [] for name in ("train", *sizes, "test")}
    subjects = list(next(iter(sizes.values())))
    tested = {record["problem"] for record in splits["test"]}
    once = {r["problem"]: r for r in reversed(splits["train"]) if r["problem"] not in tested}
    for subject in subjects:
        kind = SUBJECTS[subject].type
        rest = [record for record in once.values() if record["type"] == kind]
        rest.sort(key=lambda record: sha256_bytes(f"{seed}\n{_line(record)}".encode()))
        for name, counts in sizes.items():
            if counts[subject] > len(rest):
                raise ValueError(
                    f"data.math.{name}: {counts[subject]} problems of {subject}, "
                    f"{len(rest)} are left of MATH's training set"
                )
            drawn[name] += rest[: counts[subject]]
            rest = rest[counts[subject] :]
        drawn["train"] += rest
        drawn["test"] += [record for record in splits["test"] if record["type"] == kind]
    return drawn


def _line(record: Mapping[str, str]) -> str:
    return json.dumps({field: record[field] for field in FIELDS}, ensure_ascii=False)


def _read(path: Path) -> list[Record]:
    if path.suffix == ".jsonl":
        rows = read_jsonl(path)
    elif path.suffix == ".parquet":
        from pyarrow import parquet  # heavy, and most layouts do without

        rows = parquet.read_table(path).to_pylist()
    else:
        rows = [read_json(path)]
    for row in rows:
        if not isinstance(row, Mapping) or not all(isinstance(row.get(f), str) for f in FIELDS):
            raise ValueError(f"{path}: no problem of MATH, whose texts are {', '.join(FIELDS)}")
    return [{field: row[field] for field in FIELDS} for row in rows]
