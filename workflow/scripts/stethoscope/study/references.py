"""Checks across sections of a study: undefined names, sizes out of reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stethoscope.edits.spec import MERGING_NEEDS, SETTINGS_OF
from stethoscope.names import BASE, edit_name
from stethoscope.selection.select import SELECTORS
from stethoscope.study.errors import did_you_mean
from stethoscope.study.queries import (
    edit_ids,
    evaluated,
    generation,
    layer_count,
    own_draws,
    scored_encoders,
    split_sizes,
)


def broken_references(study: Mapping) -> Iterator[str]:
    """One line for each name that no section defines and each size that cannot be met."""
    yield from _undefined("study.target", [study["study"]["target"]], study["subjects"])
    yield from _data(study)
    for name, vector in study["vectors"].items():
        yield from _undefined(f"vectors.{name}.problems", vector["problems"], study["subjects"])
    for name, search in study["searches"].items():
        yield from _search(study, search, f"searches.{name}")
    for name, selection in study["selections"].items():
        yield from _selection(study, selection, f"selections.{name}")
    yield from _circles(study["selections"])
    controlled = study["specificity"]["controls"].get("saes", [])
    yield from _undefined("specificity.controls.saes", controlled, study["saes"])
    for name, edit in study["edits"].items():
        yield from _edit(study, name, edit)
        yield from _transform(study, edit, f"edits.{name}")
        yield from _answers(study, name, edit)
    yield from _evaluation(study)
    yield from _protocols(study)
    yield from _backend(study)
    concrete = [edit_name(edit) for spec in evaluated(study) for edit in edit_ids(study, spec)]
    yield from _undefined("statistics.references", study["statistics"]["references"], concrete)
    if all(edit["role"] != "ours" for edit in study["edits"].values()):
        yield "edits: none has the role 'ours', the edit that the others are compared with"


def _undefined(
    key: str, names: Iterable[str], allowed: Iterable[str], what: str = "defined"
) -> Iterator[str]:
    for name in names:
        if name not in allowed:
            yield f"{key}: '{name}' is not {what}{did_you_mean(name, sorted(allowed))}"


def _data(study: Mapping) -> Iterator[str]:
    if "grow" in study["model"] and "generate" not in study["data"]:
        yield "model.grow: needs data.generate, whose pretrain split the model is trained on"
    splits = "data.math" if "math" in study["data"] else "data.generate.splits"
    for subject, size in split_sizes(study, "probe").items():
        if size < 2:
            yield (
                f"{splits}.probe: {size} problem of {subject}, expected two or more "
                "(specificity is examined on halves)"
            )


def _search(study: Mapping, search: Mapping, key: str) -> Iterator[str]:
    yield from _undefined(f"{key}.vector", [search["vector"]], study["vectors"])
    yield from _undefined(f"{key}.subject", [search["subject"]], study["subjects"])
    low, high = search["bounds"]
    if not low <= search["start"] <= high or low == high:
        yield f"{key}.start: {search['start']} is not between the bounds {low} and {high}"
    size = split_sizes(study, "validation").get(search["subject"], 0)
    if search["problems"] > size:
        yield f"{key}.problems: {search['problems']} of {size} validation problems"
    if search["best"] + search["spread"] > search["evaluations"]:
        yield f"{key}.evaluations: {search['evaluations']} are fewer than best + spread"


def _selection(study: Mapping, selection: Mapping, key: str) -> Iterator[str]:
    layers = layer_count(study)
    defined = {
        "saes": scored_encoders(study),
        "subjects": study["subjects"],
        "vectors": study["vectors"],
        # A selection with draws is several sets, which no other can refer to.
        "selections": [name for name, other in study["selections"].items() if "draws" not in other],
    }
    for setting, reference, names in SELECTORS[selection["by"]].references(selection):
        yield from _undefined(f"{key}.{setting}", names, defined[reference.section])
    if selection.get("lowest") and "at_least" in selection:
        yield f"{key}.lowest: goes with top or like, not with at_least"
    if selection.get("top", 1) > layers:
        yield f"{key}.top: {selection['top']} of a model with {layers} layers"
    for where, window in {key: selection, f"{key}.within": selection.get("within")}.items():
        if not isinstance(window, Mapping) or "first" not in window:
            continue
        for bound in ("first", "last"):
            if window[bound] >= layers:
                yield f"{where}.{bound}: layer {window[bound]} of a model with {layers} layers"
        if window["first"] > window["last"]:
            yield f"{where}: first {window['first']} is after last {window['last']}"


def _circles(selections: Mapping) -> Iterator[str]:
    """Selections that depend on one another."""
    waiting = {
        name: {
            other
            for _, reference, others in SELECTORS[selection["by"]].references(selection)
            for other in others
            if reference.section == "selections"
        }
        for name, selection in selections.items()
    }
    while ready := [name for name, others in waiting.items() if not others & set(waiting)]:
        for name in ready:
            del waiting[name]
    if waiting:
        yield f"selections: {', '.join(waiting)} wait for one another"


def _edit(study: Mapping, name: str, edit: Mapping) -> Iterator[str]:
    key = f"edits.{name}"
    if name == BASE:
        yield f"{key}: '{BASE}' is the empty edit of every study; choose another name"
    yield from _undefined(f"{key}.selection", [edit["selection"]], study["selections"])
    yield from _undefined(f"{key}.vectors", edit["vectors"], study["vectors"])
    subjects = edit.get("choose_alpha_on", [])
    yield from _undefined(f"{key}.choose_alpha_on", subjects, study["subjects"])
    for published in edit["published"]:
        first = next(n for n, other in study["edits"].items() if published in other["published"])
        if first != name:
            yield f"{key}.published: '{published}' is reproduced by edits.{first} already"
    if "search" in edit:
        yield from _undefined(f"{key}.search", [edit["search"]], study["searches"])
        yield from _searched_edit(study, edit, key)


def _searched_edit(study: Mapping, edit: Mapping, key: str) -> Iterator[str]:
    """Settings by which an edit differs from the configurations that its search measured."""
    search = study["searches"][edit["search"]]
    if edit["vectors"] != {search["vector"]: 1}:
        yield f"{key}.vectors: expected {search['vector']}: 1.0, as its search has it"
    if study["selections"].get(edit["selection"], {}).get("by") != "all":
        yield f"{key}.selection: expected one by: all, since its search has an alpha a layer"
    if edit["transform"] != "raw" or edit["alphas"] != [1]:
        yield f"{key}: a search's alphas are taken as they are: transform: raw, alphas: [1.0]"
    if edit["evaluate"] and search["subject"] not in edit.get(
        "choose_alpha_on", study["evaluation"]["choose_alpha_on"]
    ):
        yield f"{key}.choose_alpha_on: lacks {search['subject']}, the subject of its search"


def _transform(study: Mapping, edit: Mapping, key: str) -> Iterator[str]:
    """Settings that a transform needs and lacks, or that belong to another one."""
    transform = edit["transform"]
    needed = SETTINGS_OF.get(transform)
    for settings, broken in (("projection", _projection), ("merging", _merging)):
        if settings == needed and settings not in edit:
            yield f"{key}.{settings}: is missing (transform: {transform} needs it)"
        elif settings == needed:
            yield from broken(study, edit, f"{key}.{settings}")
            selection = study["selections"].get(edit["selection"], {})
            if own_draws(study, edit) and selection.get("draws"):
                yield (
                    f"{key}.{settings}.draws: its selection '{edit['selection']}' has draws already"
                )
        elif settings in edit:
            yield f"{key}.{settings}: transform {transform} has no {settings}"


def _merging(study: Mapping, edit: Mapping, key: str) -> Iterator[str]:
    merging, needs = edit["merging"], MERGING_NEEDS[edit["transform"]]
    for setting in needs:
        if setting not in merging:
            yield f"{key}.{setting}: is missing (transform: {edit['transform']} needs it)"
    allowed = (*needs, "draws") if "seed" in needs else needs
    for setting in merging:
        if setting not in allowed:
            yield f"{key}.{setting}: transform {edit['transform']} has no {setting}"


def _projection(study: Mapping, edit: Mapping, key: str) -> Iterator[str]:
    projection = edit["projection"]
    basis = projection["basis"]
    if "sae" in projection:
        yield from _undefined(f"{key}.sae", [projection["sae"]], study["saes"])
    elif basis not in ("random", "oracle"):
        yield f"{key}.sae: is missing (basis: {basis} needs it)"
    if basis == "complement" and projection["reading"] == "unnormalized":
        yield f"{key}.reading: unnormalized is no projector, it has no complement"
    if edit["transform"] == "raw_matched" and projection["match_norm"]:
        yield f"{key}.match_norm: raw_matched takes the projection's own norm"
    if "draws" in projection and basis not in ("random", "random_features"):
        yield f"{key}.draws: basis {basis} has nothing to draw"


def _answers(study: Mapping, name: str, edit: Mapping) -> Iterator[str]:
    """Settings that only an evaluated edit can have."""
    if edit["evaluate"]:
        return
    if edit["role"] != "other":
        yield f"edits.{name}.evaluate: an edit with the role {edit['role']} is evaluated"
    if edit["sweep"]:
        yield f"edits.{name}.sweep: an edit that is not evaluated (evaluate: false) has no sweep"
    if edit["checkpoint"]:
        yield (
            f"edits.{name}.checkpoint: an edit that is not evaluated (evaluate: false) has no "
            "alpha to be exported at"
        )


def _evaluation(study: Mapping) -> Iterator[str]:
    evaluation = study["evaluation"]
    subjects = evaluation["choose_alpha_on"]
    yield from _undefined("evaluation.choose_alpha_on", subjects, study["subjects"])
    yield from _undefined(
        "evaluation.reuse_answers_from", evaluation["reuse_answers_from"], evaluated(study)[1:]
    )
    noise = evaluation.get("noise_floor", {"edits": [], "batch_size": None})
    yield from _undefined("evaluation.noise_floor.edits", noise["edits"], evaluated(study))
    if noise["batch_size"] == evaluation["batch_size"]:
        yield (
            f"evaluation.noise_floor.batch_size: {noise['batch_size']} is evaluation.batch_size "
            "itself, expected another one"
        )


def _protocols(study: Mapping) -> Iterator[str]:
    protocols = study["evaluation"]["protocols"]
    for name in ("test", *protocols):
        key = f"evaluation.protocols.{name}" if name in protocols else "evaluation"
        settings = generation(study, name)
        if settings["num_fewshot"] and settings["tasks"] == "local":
            yield f"{key}.num_fewshot: tasks: local has no examples; tasks: minerva_math has"
        if name in ("test", "validation", "sweep", "noise") and name in protocols:
            yield f"{key}: '{name}' is an evaluation of every study; choose another name"
    for name, protocol in protocols.items():
        key = f"evaluation.protocols.{name}.edits"
        yield from _undefined(key, protocol["edits"], evaluated(study), "evaluated")
        if BASE not in protocol["edits"]:
            yield f"{key}: lacks '{BASE}', which gains are over"


def _backend(study: Mapping) -> Iterator[str]:
    if study["evaluation"]["backend"] != "vllm":
        return
    if study["device"] != "cuda":
        yield "evaluation.backend: vllm needs device: cuda"
    for name in evaluated(study)[1:]:
        transform = study["edits"][name]["transform"]
        if transform in MERGING_NEEDS:
            yield f"edits.{name}.transform: {transform} is no adapter, which vllm needs"
