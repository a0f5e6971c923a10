"""Problems, subjects and the prompt (paper, section 4).

A problem is a record with the four fields of the MATH data set, of mathematics or not; a file holds
one record a line.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """One subject of MATH: its name in file names, in records and in tables."""

    slug: str
    type: str
    short: str


def _by_slug(*subjects: Subject) -> dict[str, Subject]:
    return {subject.slug: subject for subject in subjects}


# The order of the paper's tables.
MATH = _by_slug(
    Subject("number_theory", "Number Theory", "NT"),
    Subject("counting_and_probability", "Counting & Probability", "CP"),
    Subject("algebra", "Algebra", "ALG"),
    Subject("geometry", "Geometry", "GEO"),
    Subject("intermediate_algebra", "Intermediate Algebra", "IA"),
    Subject("prealgebra", "Prealgebra", "PRE"),
    Subject("precalculus", "Precalculus", "PC"),
)
# Subjects that a study may name: MATH's, and parts of MMLU-Pro as a domain that is not mathematics
# (docs/other_domains.md).
SUBJECTS = MATH | _by_slug(
    Subject("law", "Law", "LAW"),
    Subject("history", "History", "HIS"),
    Subject("philosophy", "Philosophy", "PHI"),
    Subject("psychology", "Psychology", "PSY"),
    Subject("business", "Business", "BUS"),
    Subject("economics", "Economics", "ECO"),
    Subject("health", "Health", "HEA"),
)

FIELDS = ("problem", "solution", "level", "type")
TYPES = tuple(subject.type for subject in SUBJECTS.values())
# MATH marks a handful of problems with "Level ?".
LEVELS = tuple(f"Level {level}" for level in (1, 2, 3, 4, 5)) + ("Level ?",)


def prompt(problem: str) -> str:
    """Text that a model is given: Minerva's zero-shot form, in training and in evaluation."""
    return f"Problem:\n{problem}\n\nSolution:"


def completion(solution: str) -> str:
    """Text that a model is trained to append to `prompt`; <eos> follows it."""
    return " " + solution


def boxed_answer(solution: str) -> str:
    r"""Content of the last \boxed{...}, braces balanced (escaped braces do not count).

    A few solutions of MATH write `\boxed 5$` without braces: then the text up to the `$`.
    Raises ValueError if there is no box or if it is not closed.
    """
    command = "\\boxed"
    start = solution.rfind(command)
    if start < 0:
        raise ValueError("expected a \\boxed{...}, found none")
    rest = solution[start + len(command) :]
    if rest.startswith(" ") and not rest.lstrip().startswith("{"):
        return rest.split("$")[0].strip()
    rest = rest.lstrip()
    if not rest.startswith("{"):
        raise ValueError(f"expected a \\boxed{{...}}, found {_short(command + rest)}")
    depth = 0
    escaped = False
    for position, character in enumerate(rest):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return rest[1:position]
    raise ValueError(f"expected a closed \\boxed{{...}}, found {_short(command + rest)}")


def read_problems(path: str | Path) -> list[dict[str, str]]:
    """Records of a problem file, in file order.

    Raises ValueError `file:line: field: expected ..., found ...` for the first line that is not
    a JSON object with exactly the four fields, all strings, a known level and type, and a boxed
    answer.
    """
    # Split at "\n" only: str.splitlines would also split at characters that JSON leaves bare.
    lines = Path(path).read_bytes().split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [_record(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def write_problems(path: str | Path, records: Iterable[dict[str, str]]) -> None:
    """Write records to `path`, one JSON object a line, UTF-8, fields in the order of FIELDS.

    Subjects come in the paper's order; within one subject the given order is kept. Not
    atomic: the caller gives a temporary path.
    """
    order = {subject_type: index for index, subject_type in enumerate(TYPES)}
    lines = [
        json.dumps({field: record[field] for field in FIELDS}, ensure_ascii=False) + "\n"
        for record in sorted(records, key=lambda record: order[record["type"]])
    ]
    Path(path).write_bytes("".join(lines).encode("utf-8"))


def full_text(record: Mapping[str, str]) -> str:
    """Prompt and solution of a problem, as models and SAEs see it in training."""
    return prompt(record["problem"]) + completion(record["solution"])


def subject_indices(records: Iterable[Mapping[str, str]], slugs: Sequence[str]) -> list[int]:
    """Index of each record's subject in `slugs`. ValueError for a subject that is not in it."""
    types = [SUBJECTS[slug].type for slug in slugs]
    return [types.index(record["type"]) for record in records]


def of_subject(records: Iterable[dict[str, str]], slug: str) -> list[dict[str, str]]:
    """Records of one subject, in order. Raises ValueError for an unknown slug."""
    if slug not in SUBJECTS:
        raise ValueError(f"subject: expected one of {', '.join(SUBJECTS)}, found {slug!r}")
    return [record for record in records if record["type"] == SUBJECTS[slug].type]


def first_of_each(
    records: Sequence[dict[str, str]], counts: Mapping[str, int], path: str | Path
) -> list[dict[str, str]]:
    """The first `counts[slug]` records of each subject; path: of their file, for the error.

    Raises ValueError if a subject has fewer.
    """
    chosen: list[dict[str, str]] = []
    for slug, count in counts.items():
        first = of_subject(records, slug)[:count]
        if len(first) < count:
            raise ValueError(f"{path}: {len(first)} problems of {slug}, {count} wanted")
        chosen += first
    return chosen


def _record(line: bytes, where: str) -> dict[str, str]:
    try:
        record = json.loads(line.decode("utf-8"), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError:
        raise ValueError(f"{where}: line: expected UTF-8, found other bytes") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{where}: line: expected one JSON object, found invalid JSON "
            f"({error.msg} at column {error.colno})"
        ) from None
    except RecursionError:
        raise ValueError(
            f"{where}: line: expected a flat JSON object, found deep nesting"
        ) from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if not isinstance(record, dict):
        raise ValueError(f"{where}: line: expected a JSON object, found {_short(record)}")
    for field in FIELDS:
        if field not in record:
            raise ValueError(
                f"{where}: {field}: expected the fields {', '.join(FIELDS)}, found no {field}"
            )
    for field, value in record.items():
        if field not in FIELDS:
            raise ValueError(
                f"{where}: {_short(field)}: expected only the fields {', '.join(FIELDS)}, "
                "found this one too"
            )
        if not isinstance(value, str):
            raise ValueError(f"{where}: {field}: expected a string, found {_short(value)}")
    _check_choice(where, "level", record["level"], LEVELS)
    _check_choice(where, "type", record["type"], TYPES)
    try:
        boxed_answer(record["solution"])
    except ValueError as error:
        raise ValueError(f"{where}: solution: {error}") from None
    return record


def _check_choice(where: str, field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"{where}: {field}: expected one of {', '.join(choices)}, found {_short(value)}"
        )


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{_short(repeated)}: expected the field once, found it again")
    return record


def _short(value: object) -> str:
    """One line, at most 60 characters, that shows a value in an error."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
