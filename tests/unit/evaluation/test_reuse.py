"""An edit that equals an earlier one gets its answers, which are those that it would give."""

import pytest

from stethoscope.edits.files import save_edit
from stethoscope.evaluation.evaluate import Evaluation
from stethoscope.evaluation.reuse import reusable_answers
from stethoscope.names import EditId, edit_folder
from stethoscope.problems.records import of_subject
from stethoscope.runtime.files import (
    atomic_folder,
    folder_digests,
    read_json,
    write_json,
    write_jsonl,
)
from stethoscope.task_vectors.task_vector import scaled

SUBJECTS = ["number_theory", "counting_and_probability"]
GENERATION = {
    "batch_size": 5, "max_gen_toks": 16, "tasks": "local", "num_fewshot": 0,
    "chat_template": False, "backend": "hf", "dtype": "float32",
}  # fmt: skip
FIRST, TWIN, OTHER = (EditId(spec, None, 1.0) for spec in ("first", "twin", "other"))


@pytest.fixture(scope="module")
def folder(vector, tmp_path_factory):
    """Folder with the edit `first`, its `twin` under another name, and `other`."""
    folder = tmp_path_factory.mktemp("edits")
    for edit, alpha in ((FIRST, 0.3), (TWIN, 0.3), (OTHER, -0.3)):
        with atomic_folder(folder / edit_folder(edit)) as target:
            save_edit(target, scaled(vector, alpha), "base")
            write_json(target / "edit.json", {"edit": edit.spec})
    return folder


def test_an_equal_edit_reuses_the_answers_that_it_would_give(tiny, folder, problems, tmp_path):
    path, lines = tmp_path / "test.jsonl", []
    write_jsonl(path, [p for subject in SUBJECTS for p in of_subject(problems, subject)[:6]])
    evaluation = Evaluation(tiny.folder, folder, [FIRST, TWIN], GENERATION, "cpu")
    digests = {edit: folder_digests(folder / edit_folder(edit)) for edit in (FIRST, TWIN, OTHER)}

    def evaluate(edit, target, reusable=None, by=evaluation):
        return by.run([edit], path, SUBJECTS, tmp_path / target, lines.append, reusable)

    first = evaluate(FIRST, "test")
    write_json(
        tmp_path / "first.json", {"written": {edit_folder(FIRST): {"files": digests[FIRST]}}}
    )
    write_json(tmp_path / "test/first.json", {"written": first})
    earlier = [(tmp_path / "first.json", tmp_path / "test/first.json")]
    reusable = reusable_answers(digests, earlier)
    assert set(reusable) == {FIRST, TWIN}  # and not the other

    # Without a model: whatever is evaluated after all would fail.
    (reused,) = evaluate(
        TWIN, "test", reusable, Evaluation(tiny.folder, folder, [], {}, "")
    ).values()
    assert lines[-1].endswith("right, as first/alpha-1.0")
    (control,) = evaluate(TWIN, "control/test").values()
    assert (reused["reuses"], control["reuses"]) == ("first/alpha-1.0", None)
    assert control | {"reuses": "first/alpha-1.0"} == reused
    answered = tmp_path / "test" / edit_folder(TWIN)
    assert reused["files"] == folder_digests(answered)
    assert read_json(answered / "results.json")["edit"] == {"edit": "twin"}
    samples = {name: digest for name, digest in reused["files"].items() if "samples" in name}
    assert samples.items() <= first[edit_folder(FIRST)]["files"].items()
