"""Equal edits reuse answers: an edit that another spec has made already is not evaluated again.

Its answers would be the same, byte for byte. The study gives the specs that may make equal edits;
the bytes of the edits decide. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from stethoscope.names import BASE, EditId
from stethoscope.runtime.files import read_json
from stethoscope.study.queries import choosing_subjects


def reusable_specs(study: Mapping, spec: str) -> list[str]:
    """The edit specs that are evaluated before one, and may make the same edits.

    These are the specs of `evaluation.reuse_answers_from` that add the same task vectors, raw, in
    as many layers.
    """

    def made_of(name: str) -> tuple:
        edit = study["edits"][name]
        as_many = study["selections"][edit["selection"]].get("like", edit["selection"])
        return as_many, edit["vectors"], edit["transform"], choosing_subjects(study, name)

    first = study["evaluation"]["reuse_answers_from"]
    if spec in (BASE, *first) or study["edits"][spec]["transform"] != "raw":
        return []
    return [name for name in first if made_of(name) == made_of(spec)]


def reusable_answers(
    written: Mapping[EditId, Mapping[str, str]], others: Iterable[tuple[str, str]]
) -> dict[EditId, Path]:
    """Folders with the answers of equal edits.

    written: digests of the files of the edits that are to be evaluated. others: of each spec that
    was evaluated earlier, the JSON files that list its edits and their answers to the same
    problems.
    """
    answers = {}
    for edits, evaluations in others:
        made = read_json(edits)["written"]
        for folder in read_json(evaluations)["written"]:
            answers[_added(made[folder]["files"])] = Path(evaluations).parent / folder
    return {
        edit: answers[_added(files)] for edit, files in written.items() if _added(files) in answers
    }


def _added(files: Mapping[str, str]) -> frozenset:
    """Digests of the files that define an edit: all but its description."""
    return frozenset(item for item in files.items() if item[0] != "edit.json")
