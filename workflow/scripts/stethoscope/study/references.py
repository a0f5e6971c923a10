"""Names that a section of a study uses and no section defines; sizes that cannot be met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stethoscope.names import BASE, edit_name
from stethoscope.study.edit_spec import MERGING_NEEDS, SETTINGS_OF
from stethoscope.study.queries import (
    edit_ids,
    evaluated,
    generation,
    layer_count,
    own_draws,
    scored_encoders,
    selections_named,
    split_sizes,
)
from stethoscope.study.spelling import did_you_mean


def broken_references(study: Mapping) -> Iterator[str]:
    """Names that a section uses and no section defines; sizes that cannot be met."""
    subjects, layers = study["subjects"], layer_count(study)

    def known(place: str, name: str, allowed: list[str]) -> Iterator[str]:
        if name not in allowed:
            yield f"{place}: '{name}' is not defined{did_you_mean(name, sorted(allowed))}"

    yield from known("study.target", study["study"]["target"], subjects)
    if "grow" in study["model"] and "generate" not in study["data"]:
        yield "model.grow: needs data.generate, whose pretrain split a grown model learns from"
    splits = "data.math" if "math" in study["data"] else "data.generate.splits"
    for subject, size in split_sizes(study, "probe").items():
        if size < 2:
            yield (
                f"{splits}.probe: {size} problem of {subject}, expected two or more "
                "(specificity is examined on halves)"
            )
    for name, vector in study["vectors"].items():
        for subject in vector["problems"]:
            yield from known(f"vectors.{name}.problems", subject, subjects)
    validation = split_sizes(study, "validation")
    for name, search in study["searches"].items():
        place = f"searches.{name}"
        yield from known(f"{place}.vector", search["vector"], list(study["vectors"]))
        yield from known(f"{place}.subject", search["subject"], subjects)
        low, high = search["bounds"]
        if not low <= search["start"] <= high or low == high:
            yield f"{place}.start: {search['start']} is not between the bounds {low} and {high}"
        size = validation[search["subject"]]
        if search["problems"] > size:
            yield f"{place}.problems: {search['problems']} of {size} validation problems"
        if search["best"] + search["spread"] > search["evaluations"]:
            yield f"{place}.evaluations: {search['evaluations']} are fewer than best + spread"
    # One with draws is several: nothing can be made from it.
    single = [name for name, other in study["selections"].items() if "draws" not in other]
    for name, selection in study["selections"].items():
        place = f"selections.{name}"
        if "sae" in selection:
            yield from known(f"{place}.sae", selection["sae"], scored_encoders(study))
        if "subject" in selection:
            yield from known(f"{place}.subject", selection["subject"], subjects)
        for key in [key for key in ("vector", "match_norm_of") if key in selection]:
            yield from known(f"{place}.{key}", selection[key], list(study["vectors"]))
        for key, others in selections_named(selection).items():
            for other in others:
                yield from known(f"{place}.{key}", other, single)
        if selection.get("lowest") and "at_least" in selection:
            yield f"{place}.lowest: goes with top or like, not with at_least"
        windows = {place: selection, f"{place}.within": selection.get("within")}
        for where, window in windows.items():
            if not isinstance(window, Mapping):
                continue
            for bound in ("first", "last"):
                if window.get(bound, 0) >= layers:
                    yield f"{where}.{bound}: layer {window[bound]} of a model with {layers} layers"
            if window.get("first", 0) > window.get("last", layers):
                yield f"{where}: first {window['first']} is after last {window['last']}"
        if selection.get("top", 1) > layers:
            yield f"{place}.top: {selection['top']} of a model with {layers} layers"
    for sae in study["specificity"]["controls"].get("saes", []):
        yield from known("specificity.controls.saes", sae, list(study["saes"]))
    yield from _circles(study["selections"])
    for name, edit in study["edits"].items():
        place = f"edits.{name}"
        if name == BASE:
            yield f"{place}: '{BASE}' is the empty edit of every study; name yours otherwise"
        yield from known(f"{place}.selection", edit["selection"], list(study["selections"]))
        for vector in edit["vectors"]:
            yield from known(f"{place}.vectors", vector, list(study["vectors"]))
        needed = SETTINGS_OF.get(edit["transform"])
        for key, broken in (("projection", _broken_projection), ("merging", _broken_merging)):
            if key == needed and key not in edit:
                yield f"{place}.{key}: is missing (transform: {edit['transform']} needs it)"
            elif key == needed:
                yield from broken(study, edit, f"{place}.{key}")
            elif key in edit:
                yield f"{place}.{key}: transform {edit['transform']} has no {key}"
        if "search" in edit:
            yield from known(f"{place}.search", edit["search"], list(study["searches"]))
            yield from _broken_search(study, edit, place)
        for subject in edit.get("choose_alpha_on", []):
            yield from known(f"{place}.choose_alpha_on", subject, subjects)
        if not edit["evaluate"] and edit["role"] != "other":
            yield f"{place}.evaluate: an edit with the role {edit['role']} is evaluated"
        for published in edit["published"]:
            taken = next(n for n, e in study["edits"].items() if published in e["published"])
            if taken != name:
                yield f"{place}.published: '{published}' is what edits.{taken} is held against"
        if edit["sweep"] and not edit["evaluate"]:
            yield f"{place}.sweep: an edit that answers no problems (evaluate: false) has no sweep"
        if edit["checkpoint"] and not edit["evaluate"]:
            yield (
                f"{place}.checkpoint: an edit that answers no problems (evaluate: false) has no "
                "alpha to be exported at"
            )
    for subject in study["evaluation"]["choose_alpha_on"]:
        yield from known("evaluation.choose_alpha_on", subject, subjects)
    for name in study["evaluation"]["take_over"]:
        yield from known("evaluation.take_over", name, evaluated(study)[1:])
    noise = study["evaluation"].get("noise_floor", {"edits": [], "batch_size": None})
    for name in noise["edits"]:
        yield from known("evaluation.noise_floor.edits", name, evaluated(study))
    if noise["batch_size"] == study["evaluation"]["batch_size"]:
        yield (
            f"evaluation.noise_floor.batch_size: {noise['batch_size']} is evaluation.batch_size "
            "itself, expected another one"
        )
    yield from _broken_questions(study)
    concrete = [edit_name(edit) for spec in evaluated(study) for edit in edit_ids(study, spec)]
    for reference in study["statistics"]["references"]:
        yield from known("statistics.references", reference, concrete)
    if all(edit["role"] != "ours" for edit in study["edits"].values()):
        yield "edits: none has the role 'ours', the edit that the others are compared with"


def _broken_questions(study: Mapping) -> Iterator[str]:
    """What cannot be asked, or not by the backend that answers."""
    protocols = study["evaluation"]["protocols"]
    for name in ("test", *protocols):
        place = f"evaluation.protocols.{name}" if name in protocols else "evaluation"
        how = generation(study, name)
        if how["num_fewshot"] and how["tasks"] == "local":
            yield f"{place}.num_fewshot: tasks: local has no examples; tasks: minerva_math has"
        if name in ("test", "validation", "sweep", "noise") and name in protocols:
            yield f"{place}: '{name}' is a reading of every study; name yours otherwise"
    for name, protocol in protocols.items():
        for edit in protocol["edits"]:
            if edit not in evaluated(study):
                hint = did_you_mean(edit, sorted(evaluated(study)))
                yield f"evaluation.protocols.{name}.edits: '{edit}' is not evaluated{hint}"
        if BASE not in protocol["edits"]:
            yield f"evaluation.protocols.{name}.edits: lacks '{BASE}', which gains are over"
    if study["evaluation"]["backend"] == "vllm":
        if study["device"] != "cuda":
            yield "evaluation.backend: vllm needs device: cuda"
        for name in evaluated(study)[1:]:
            transform = study["edits"][name]["transform"]
            if transform in MERGING_NEEDS:
                yield f"edits.{name}.transform: {transform} is no adapter, which vllm needs"


def _circles(selections: Mapping) -> Iterator[str]:
    """Selections that are made from one another, so that none can be the first."""
    waiting = {
        name: {other for others in selections_named(selection).values() for other in others}
        for name, selection in selections.items()
    }
    while ready := [name for name, others in waiting.items() if not others & set(waiting)]:
        for name in ready:
            del waiting[name]
    if waiting:
        yield f"selections: {', '.join(waiting)} wait for one another"


def _broken_merging(study: Mapping, edit: Mapping, place: str) -> Iterator[str]:
    """What is missing from the settings of a merge, or belongs to another one."""
    merging, needs = edit["merging"], MERGING_NEEDS[edit["transform"]]
    for key in needs:
        if key not in merging:
            yield f"{place}.{key}: is missing (transform: {edit['transform']} needs it)"
    allowed = (*needs, "draws") if "seed" in needs else needs
    for key in merging:
        if key not in allowed:
            yield f"{place}.{key}: transform {edit['transform']} has no {key}"
    yield from _draws_twice(study, edit, place)


def _draws_twice(study: Mapping, edit: Mapping, place: str) -> Iterator[str]:
    selection = study["selections"].get(edit["selection"], {})
    if own_draws(study, edit) and selection.get("draws"):
        yield f"{place}.draws: its selection '{edit['selection']}' has draws already"


def _broken_search(study: Mapping, edit: Mapping, place: str) -> Iterator[str]:
    """What keeps an edit from being exactly the configurations that its search measured."""
    search = study["searches"][edit["search"]]
    if edit["vectors"] != {search["vector"]: 1}:
        yield f"{place}.vectors: expected {search['vector']}: 1.0, as its search has it"
    if study["selections"].get(edit["selection"], {}).get("by") != "all":
        yield f"{place}.selection: expected one by: all, since its search has an alpha a layer"
    if edit["transform"] != "raw" or edit["alphas"] != [1]:
        yield f"{place}: a search's alphas are taken as they are: transform: raw, alphas: [1.0]"
    if edit["evaluate"] and search["subject"] not in edit.get(
        "choose_alpha_on", study["evaluation"]["choose_alpha_on"]
    ):
        yield f"{place}.choose_alpha_on: lacks {search['subject']}, the subject of its search"


def _broken_projection(study: Mapping, edit: Mapping, place: str) -> Iterator[str]:
    """What is missing from a projection, or cannot go together."""
    projection = edit["projection"]
    basis, saes = projection["basis"], list(study["saes"])
    if "sae" in projection:
        if projection["sae"] not in saes:
            hint = did_you_mean(projection["sae"], sorted(saes))
            yield f"{place}.sae: '{projection['sae']}' is not defined{hint}"
    elif basis not in ("random", "oracle"):
        yield f"{place}.sae: is missing (basis: {basis} needs it)"
    if basis == "complement" and projection["reading"] == "unnormalized":
        yield f"{place}.reading: unnormalized is no projector, it has no complement"
    if edit["transform"] == "raw_matched" and projection["match_norm"]:
        yield f"{place}.match_norm: raw_matched takes the projection's own norm"
    if "draws" in projection and basis not in ("random", "random_features"):
        yield f"{place}.draws: basis {basis} has nothing to draw"
    yield from _draws_twice(study, edit, place)
