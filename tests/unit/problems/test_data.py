import json

import pytest

from stethoscope.problems.records import (
    MATH,
    SUBJECTS,
    boxed_answer,
    completion,
    of_subject,
    prompt,
    read_problems,
    write_problems,
)

GOOD = {
    "problem": "What is 1 + 1?",
    "solution": "It is $\\boxed{2}$.",
    "level": "Level 3",
    "type": "Number Theory",
}


def test_the_seven_subjects_come_in_the_papers_order():
    assert [s.short for s in MATH.values()] == ["NT", "CP", "ALG", "GEO", "IA", "PRE", "PC"]
    assert all(slug == subject.slug for slug, subject in SUBJECTS.items())
    assert SUBJECTS["counting_and_probability"].type == "Counting & Probability"


def test_prompt_and_completion_are_minervas():
    assert prompt("What is 1 + 1?") == "Problem:\nWhat is 1 + 1?\n\nSolution:"
    assert completion("It is \\boxed{2}") == " It is \\boxed{2}"


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("so $\\boxed{2}$.", "2"),
        ("\\boxed{1} then \\boxed{\\frac{3}{4}}.", "\\frac{3}{4}"),
        ("\\boxed{x^{2^{3}}} and {more}", "x^{2^{3}}"),
        ("\\boxed{\\left\\{1, 2\\right.}", "\\left\\{1, 2\\right."),
        (
            "\\boxed{\\begin{pmatrix}1\\\\{2}\\end{pmatrix}}",
            "\\begin{pmatrix}1\\\\{2}\\end{pmatrix}",
        ),
        ("\\boxed {7}", "7"),
        ("is $\\boxed 5$, as said", "5"),
        ("\\boxed{}", ""),
    ],
)
def test_boxed_answer_is_the_last_box_with_balanced_braces(solution, answer):
    assert boxed_answer(solution) == answer


@pytest.mark.parametrize("solution", ["no box", "\\boxed{1", "\\boxed{a\\}", "\\boxed", "\\boxedx"])
def test_boxed_answer_refuses_a_missing_or_open_box(solution):
    with pytest.raises(ValueError, match="expected a"):
        boxed_answer(solution)


def test_problems_survive_a_round_trip_and_the_subjects_are_sorted_stably(tmp_path):
    path = tmp_path / "problems.jsonl"
    records = [
        GOOD | {"problem": "b \u2028 é", "type": "Algebra", "level": "Level ?"},
        GOOD | {"problem": "z"},
        GOOD | {"problem": "a"},
        GOOD | {"problem": "a", "type": "Algebra"},
    ]
    write_problems(path, records)
    assert read_problems(path) == [records[1], records[2], records[0], records[3]]
    text = path.read_bytes().decode("utf-8")
    assert text.count("\n") == 4
    assert text.endswith("\n")
    assert "é" in text
    assert text.startswith('{"problem": "z", "solution": "It is $\\\\boxed{2}$.", "level": ')


def test_the_order_of_fields_given_does_not_change_the_bytes(tmp_path):
    write_problems(tmp_path / "one", [GOOD])
    write_problems(tmp_path / "two", [dict(reversed(GOOD.items()))])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_of_subject_keeps_only_that_subject_in_order():
    records = [
        GOOD | {"problem": "x", "type": "Algebra"},
        GOOD | {"problem": "y", "type": "Geometry"},
        GOOD | {"problem": "z", "type": "Algebra"},
    ]
    assert [r["problem"] for r in of_subject(records, "algebra")] == ["x", "z"]
    assert of_subject(records, "precalculus") == []
    with pytest.raises(ValueError, match="found 'Algebra'"):
        of_subject(records, "Algebra")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"problem": ', "line: expected one JSON object, found invalid JSON"),
        (b"", "line: expected one JSON object"),
        (b"[1, 2]", "line: expected a JSON object, found [1, 2]"),
        (b'"\xff"', "line: expected UTF-8"),
        (b"[" * 100_000, "line: expected a flat JSON object, found deep nesting"),
        ({"solution": None}, "solution: expected a string, found None"),
        ({"level": 3}, "level: expected a string, found 3"),
        ({"problem": ["a\nb"]}, "problem: expected a string, found ['a\\nb']"),
        ({"level": "Level 6"}, "found 'Level 6'"),
        ({"level": "3"}, "level: expected one of Level 1, "),
        ({"type": "number_theory"}, "type: expected one of Number Theory, "),
        ({"solution": "It is 2."}, "solution: expected a \\boxed{...}, found none"),
        ({"solution": "\\boxed{2"}, "solution: expected a closed \\boxed{...}"),
        ({"source": "me"}, "'source': expected only the fields problem, solution, level, type"),
        (b'{"level": "Level 1", "level": "Level 2"}', "'level': expected the field once"),
    ],
)
def test_a_bad_line_is_named_in_one_line(tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    bad = line if isinstance(line, bytes) else json.dumps(GOOD | line).encode()
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + bad + b"\n")
    with pytest.raises(ValueError) as error:
        read_problems(path)
    text = str(error.value)
    assert text.startswith(f"{path}:2: ")
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("field", list(GOOD))
def test_a_missing_field_is_named(tmp_path, field):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({key: GOOD[key] for key in GOOD if key != field}))
    with pytest.raises(ValueError, match=f"bad.jsonl:1: {field}: expected the fields"):
        read_problems(path)
