"""MATH is the same in every layout, and no problem is in two splits."""

import hashlib
import json

import pandas as pd
import pytest

from stethoscope.problems.math_data import math_digest, read_math, split_math
from stethoscope.problems.records import SUBJECTS, read_problems, write_problems
from stethoscope.runtime.fetch import MATH_FILES, Source, fetch

SLUGS = ["number_theory", "geometry"]


def record(number: int, slug: str) -> dict[str, str]:
    return {
        "problem": f"What is {number} + 1 – in {slug}?",
        "level": f"Level {1 + number % 5}",
        "type": SUBJECTS[slug].type,
        "solution": rf"\boxed{{{number + 1}}}",
    }


SPLITS = {
    "train": [record(n, slug) for slug in SLUGS for n in range(12)],
    "test": [record(n, slug) for slug in SLUGS for n in range(100, 104)],
}


def as_lines(root):
    for split, records in SPLITS.items():
        rows = [{**row, "id": str(n)} for n, row in enumerate(records)]
        (root / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def as_parquet(root):
    """EleutherAI/hendrycks_math: a folder a subject, a file a split."""
    for split, records in SPLITS.items():
        for slug in SLUGS:
            (root / slug).mkdir(exist_ok=True)
            rows = [row for row in records if row["type"] == SUBJECTS[slug].type]
            pd.DataFrame(rows[::-1]).to_parquet(root / slug / f"{split}-00000-of-00001.parquet")


def as_tree(root):
    """The original: a file a problem."""
    for split, records in SPLITS.items():
        for number, row in enumerate(records):
            folder = root / split / row["type"].lower().replace(" ", "_")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.json").write_text(json.dumps(row))


def read(root):
    return read_math(fetch(Source(path=str(root)), MATH_FILES))


@pytest.mark.parametrize("layout", [as_lines, as_parquet, as_tree])
def test_the_problems_are_the_same_in_every_layout(tmp_path, layout):
    layout(tmp_path)
    (tmp_path / "README.txt").write_text("about")
    found = read(tmp_path)
    for split, records in SPLITS.items():
        key = lambda row: row["problem"]  # noqa: E731
        assert sorted(found[split], key=key) == sorted(records, key=key)
    text = ""
    for split in ("train", "test"):
        rows = [(r["problem"], r["solution"], r["level"], r["type"]) for r in SPLITS[split]]
        keys = ("problem", "solution", "level", "type")
        lines = [json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=False) for row in rows]
        text += "\n".join([split, *sorted(lines)]) + "\n"
    assert math_digest(found) == hashlib.sha256(text.encode()).hexdigest()


def test_one_changed_character_is_another_digest(tmp_path):
    as_lines(tmp_path)
    before = math_digest(read(tmp_path))
    path = tmp_path / "test.jsonl"
    path.write_text(path.read_text().replace("Level 2", "Level 3", 1))
    assert math_digest(read(tmp_path)) != before


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"problem": "1 + 1?", "solution": 2}\n', "no problem of MATH, whose texts are problem"),
        ("", "no problems of MATH's test split among test.jsonl, train.jsonl"),
        ("{", "test.jsonl:1: not a JSON object"),
    ],
)
def test_what_is_not_math_is_one_line(tmp_path, content, message):
    as_lines(tmp_path)
    (tmp_path / "test.jsonl").write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path)
    assert "\n" not in str(error.value)


def sizes(validation=3, probe=2):
    return {
        "validation": {slug: validation for slug in SLUGS},
        "probe": {slug: probe for slug in SLUGS},
    }


def problems(records) -> set[str]:
    return {row["problem"] for row in records}


def test_validation_and_probe_are_drawn_from_the_training_set_and_left_out_of_it():
    drawn = split_math(SPLITS, sizes(), seed=1)
    assert {name: len(records) for name, records in drawn.items()} == {
        "train": 2 * 7, "validation": 2 * 3, "probe": 2 * 2, "test": 2 * 4,
    }  # fmt: skip
    parts = [problems(drawn[name]) for name in ("train", "validation", "probe")]
    assert set.union(*parts) == problems(SPLITS["train"])
    assert sum(map(len, parts)) == 24
    assert problems(drawn["test"]) == problems(SPLITS["test"])
    assert [row["type"] for row in drawn["validation"]].count("Geometry") == 3


def test_the_draw_is_that_of_its_seed_whatever_the_order_of_the_problems():
    first = split_math(SPLITS, sizes(), seed=1)
    turned = {split: records[::-1] for split, records in SPLITS.items()}
    again, other = split_math(turned, sizes(), seed=1), split_math(SPLITS, sizes(), seed=2)
    for name in ("train", "validation", "probe"):
        assert again[name] == first[name]
        assert problems(other[name]) != problems(first[name])


def test_more_validation_problems_leave_the_first_ones_as_they_were():
    few, many = (split_math(SPLITS, sizes(number), seed=1) for number in (2, 5))
    assert problems(few["validation"]) < problems(many["validation"])


def test_a_problem_that_stands_twice_or_in_the_test_set_is_in_one_split():
    splits = {
        "train": [*SPLITS["train"], SPLITS["train"][3], SPLITS["test"][0]],
        "test": SPLITS["test"],
    }
    assert split_math(splits, sizes(), seed=1) == split_math(SPLITS, sizes(), seed=1)


def test_more_problems_than_there_are_is_one_line():
    with pytest.raises(ValueError, match="probe: 9 problems of number_theory, 7 are left of"):
        split_math(SPLITS, sizes(5, 9), seed=1)


def test_what_is_written_is_read_as_any_other_problem_file(tmp_path):
    drawn = split_math(SPLITS, sizes(), seed=1)
    write_problems(tmp_path / "train.jsonl", drawn["train"])
    assert problems(read_problems(tmp_path / "train.jsonl")) == problems(drawn["train"])
