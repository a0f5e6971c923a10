"""An edit that was asked already is not asked again, and has the answers that asking would give."""

from functools import partial

import pytest

from stethoscope.edits.editing import save_edit, scaled
from stethoscope.evaluation.answering import already_answered, answer, evaluators
from stethoscope.problems.records import of_subject
from stethoscope.runtime.files import (
    atomic_folder,
    folder_digests,
    read_json,
    write_json,
    write_jsonl,
)
from stethoscope.task_vectors.task_vector import extract_task_vector

SUBJECTS = ["number_theory", "counting_and_probability"]
ASKED = {
    "batch_size": 5, "max_gen_toks": 16, "tasks": "local", "num_fewshot": 0,
    "chat_template": False, "backend": "hf", "dtype": "float32",
}  # fmt: skip


@pytest.fixture(scope="module")
def edits(tiny, adapter, tmp_path_factory):
    """Folder with the edit `first`, its `twin` under another name, and `other`."""
    folder, vector = tmp_path_factory.mktemp("edits"), extract_task_vector(adapter, tiny.folder)
    for name, alpha in (("first", 0.3), ("twin", 0.3), ("other", -0.3)):
        place = f"{name}/alpha-1.0"
        with atomic_folder(folder / place) as target:
            save_edit(target, scaled(vector, alpha), "base")
            write_json(target / "edit.json", {"edit": name})
        written = {place: folder_digests(folder / place)}
        write_json(folder / f"{name}.json", {"family": name, "written": written})
    return folder


@pytest.fixture(scope="module")
def evaluator(tiny, edits, problems, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "test.jsonl"
    write_jsonl(path, [p for subject in SUBJECTS for p in of_subject(problems, subject)[:6]])
    return partial(evaluators(tiny.folder, [], ASKED, "cpu"), path, SUBJECTS)


def refuse():
    raise AssertionError("asked again")


def test_an_equal_edit_takes_over_the_answers_that_it_would_give(tiny, edits, evaluator, tmp_path):
    def run(asked, name, folder, known=None):
        lines, target = [], tmp_path / folder / f"{name}.json"
        counts = answer(
            asked, tiny.folder, edits, [f"{name}/alpha-1.0"], target, lines.append, known
        )
        return counts, target, lines[0]

    def known(name):
        return already_answered([first], edits, read_json(edits / f"{name}.json")["written"])

    counts, first, _ = run(evaluator, "first", "test")
    taken, target, line = run(refuse, "twin", "test", known("twin"))
    asked, control, _ = run(evaluator, "twin", "control/test")
    assert taken == asked and list(taken.values()) == list(counts.values())
    place = "twin/alpha-1.0"
    assert folder_digests(target.parent / place) == folder_digests(control.parent / place)
    assert read_json(target.parent / place / "results.json")["edit"] == {"edit": "twin"}
    assert read_json(target)["same_edit"] == {place: "first/alpha-1.0"}
    assert read_json(control)["same_edit"] == {} and line.endswith("right, as first/alpha-1.0")
    with pytest.raises(AssertionError, match="asked again"):
        run(refuse, "other", "test", known("other"))
