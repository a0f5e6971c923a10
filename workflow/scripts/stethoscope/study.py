"""A study: one YAML file that says everything which can change a number.

Reads and checks the configuration before any job starts, and answers the questions that rules ask
of it. Pure Python without the scientific stack, since each parse of the workflow imports it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators

BASE = "base"
# The key of an edit that holds the settings of its transform; raw has none.
SETTINGS_OF = {
    "project": "projection",
    "raw_matched": "projection",
    "ties": "merging",
    "localize_and_stitch": "merging",
    "dare": "merging",
}
MERGING_NEEDS = {
    "ties": ("density",),
    "localize_and_stitch": ("density",),
    "dare": ("drop", "seed"),
}
_GENERATION = (
    "batch_size", "max_gen_toks", "tasks", "num_fewshot", "chat_template", "backend", "dtype",
)  # fmt: skip
_IN_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
# JSON Schema counts 1.0 as an integer; a seed or a layer of 1.0 would be spelled so in paths.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


class StrictLoader(yaml.SafeLoader):
    """YAML without silent surprises: a key given twice is an error instead of the last one wins."""


def _mapping_without_duplicates(loader: StrictLoader, node: yaml.MappingNode) -> dict:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if isinstance(key, (list, dict)):
            raise ValueError(f"line {line}: a key must be text, found {key!r}")
        if key in seen:
            raise ValueError(f"key '{key}' stands twice, in lines {seen[key]} and {line}")
        seen[key] = line
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_duplicates
)


def load_yaml(path: str | Path) -> dict:
    """A YAML mapping; one line that names file and place when it is broken, empty or ambiguous."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"{place}: not YAML: {problem}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping of sections, found {type(content).__name__}")
    return content


def check(config: Mapping, schema: Mapping, source: str) -> dict:
    """The study with defaults filled in, or a ValueError of one line that says what is wrong.

    A value may be written as {value, assumed: true, reason}: where the paper is silent, the study
    says so and why. Such values are replaced by their `value` and listed under `assumptions`.
    """
    assumptions: list[dict] = []
    try:
        study = _without_wrappers(config, "", assumptions)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    errors = sorted(_Validator(schema).iter_errors(study), key=lambda e: [*map(str, e.path)])
    if errors:
        raise ValueError(f"{source}: {_explain(errors[0])}")
    for place, value in _numbers(study):
        if not math.isfinite(value):
            raise ValueError(f"{source}: {place}: {value} is not a finite number")
    study = _with_defaults(study, schema, schema)
    study["assumptions"] = assumptions
    for problem in _broken_references(study):
        raise ValueError(f"{source}: {problem}")
    return study


def alpha_name(alpha: float) -> str:
    """How an alpha is spelled in paths: 0.8 and 1.0, never 0.80 or 1."""
    return str(float(alpha))


def layer_count(study: Mapping) -> int:
    """Number of decoder layers of the study's base model."""
    model = study["model"]
    return (model.get("load") or model["grow"]["architecture"])["layers"]


def stream_width(study: Mapping) -> int:
    """Width of the residual stream of the study's base model."""
    model = study["model"]
    return (model.get("load") or model["grow"]["architecture"])["hidden"]


def split_sizes(study: Mapping, split: str) -> dict[str, int]:
    """Problems of each subject that the study asks for in a split, such as validation."""
    data = study["data"]
    sizes = data["math"][split] if "math" in data else data["generate"]["splits"][split]
    return {subject: sizes["except"].get(subject, sizes["each"]) for subject in study["subjects"]}


def fetched_saes(study: Mapping) -> list[str]:
    """Names of the SAEs that are published ones; the others are trained here."""
    return [name for name, sae in study["saes"].items() if "load" in sae]


def selection_names(study: Mapping, family: str) -> list[str]:
    """The concrete selections of a configured one: its draws (random-1, ...) or itself."""
    draws = study["selections"][family].get("draws")
    return [f"{family}-{draw}" for draw in range(1, draws + 1)] if draws else [family]


def concrete_selections(selection: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The sets that the file of a selection holds, by their `selection_names`.

    selection: its field `selection` and what `selection.selected` returns. Each set has `layers`,
    and `scores` where there are any.
    """
    name = selection["selection"]
    if "draws" not in selection:
        return {name: selection}
    return {f"{name}-{draw}": found for draw, found in enumerate(selection["draws"], start=1)}


def scoring(study: Mapping) -> dict:
    """What scores specificity: how it is examined, its controls and the scan are other jobs'."""
    others = ("stability", "controls", "dtype")
    return {key: value for key, value in study["specificity"].items() if key not in others}


def selections_named(selection: Mapping) -> dict[str, list[str]]:
    """Names of the selections that one is made from, by the key that says so."""
    named = {key: selection[key] for key in ("like", "of", "minus", "within") if key in selection}
    return {
        key: names if isinstance(names, list) else [names]
        for key, names in named.items()
        if not isinstance(names, Mapping)  # a window, written out
    }


def edit_names(study: Mapping, family: str) -> list[str]:
    """The concrete edits of a configured one: one a draw, of its own or of its selection."""
    if family == BASE:
        return [BASE]
    edit = study["edits"][family]
    draws = _own_draws(study, edit) or study["selections"][edit["selection"]].get("draws")
    return [f"{family}-{draw}" for draw in range(1, draws + 1)] if draws else [family]


def families(study: Mapping) -> list[str]:
    """All edits of the study by their configured names, the unedited base first."""
    return [BASE, *study["edits"]]


def evaluated(study: Mapping) -> list[str]:
    """The edits that answer problems, by their configured names; of the others only energy."""
    return [BASE, *(name for name, edit in study["edits"].items() if edit["evaluate"])]


def answered_before(study: Mapping, family: str) -> list[str]:
    """The edits asked before this one that may turn out to be the same edit.

    Of `evaluation.take_over` those that add the same task vectors, raw, in as many layers.
    """

    def made_of(name: str) -> tuple:
        edit = study["edits"][name]
        as_many = study["selections"][edit["selection"]].get("like", edit["selection"])
        return as_many, edit["vectors"], edit["transform"], choosing_subjects(study, name)

    first = study["evaluation"]["take_over"]
    if family in (BASE, *first) or study["edits"][family]["transform"] != "raw":
        return []
    return [name for name in first if made_of(name) == made_of(family)]


def swept(study: Mapping) -> list[str]:
    """The edits that answer the test problems at every alpha, by their configured names."""
    return [name for name, edit in study["edits"].items() if edit["sweep"]]


def exported(study: Mapping) -> list[str]:
    """The edits that become checkpoints at their chosen alphas, by their configured names."""
    return [name for name, edit in study["edits"].items() if edit["checkpoint"]]


def generation(study: Mapping, split: str = "test") -> dict[str, Any]:
    """What can change an answer; the noise floor has another batch size, a protocol its own ways.

    split: whose answers; test, sweep, noise or the name of a protocol.
    """
    evaluation = study["evaluation"]
    settings = {key: evaluation[key] for key in _GENERATION}
    if split == "noise":
        settings["batch_size"] = evaluation["noise_floor"]["batch_size"]
    others = evaluation["protocols"].get(split, {})
    return settings | {key: value for key, value in others.items() if key != "edits"}


def answered_again(study: Mapping) -> list[str]:
    """Names of all further readings of the test problems: by alpha, by batch size, by protocol."""
    return ["sweep", "noise", *study["evaluation"]["protocols"]]


def family_of(study: Mapping, edit: str) -> str:
    """The configured edit that a concrete edit belongs to (random-3 is a draw of random)."""
    return next(family for family in families(study) if edit in edit_names(study, family))


def selection_of(study: Mapping, edit: str) -> str:
    """The concrete selection whose layers a concrete edit changes."""
    family = family_of(study, edit)
    selection = study["edits"][family]["selection"]
    if _own_draws(study, study["edits"][family]):
        return selection
    draw = edit_names(study, family).index(edit)
    return selection_names(study, selection)[draw]


def merged_pairs(study: Mapping) -> list[tuple[str, str, str, float]]:
    """What interferes: (vector, vector, concrete selection, density) of edits that merge several.

    Each once, the vectors of a pair in the order of their names. density is 1 for the vectors
    themselves, and what a transform that trims them keeps.
    """
    found: dict[tuple[str, str, str, float], None] = {}
    for family, edit in study["edits"].items():
        density = edit.get("merging", {}).get("density", 1.0)
        for name in edit_names(study, family):
            for first, second in combinations(sorted(edit["vectors"]), 2):
                pair = (first, second, selection_of(study, name))
                found |= {(*pair, 1.0): None, (*pair, float(density)): None}
    return list(found)


def recipe(study: Mapping, family: str) -> dict[str, Any]:
    """What an edit is made of; a new label, role or grid and what it answers make no other edit.

    The base is the empty edit.
    """
    if family == BASE:
        return {"vectors": {}, "transform": "raw"}
    about = ("label", "role", "published", "alphas", "choose_alpha_on", "evaluate", "sweep")
    about += ("checkpoint",)
    return {key: value for key, value in study["edits"][family].items() if key not in about}


def scored_encoders(study: Mapping) -> list[str]:
    """Names of all encoders that specificity is computed of: the SAEs, then their controls."""
    return [*study["saes"], *(f"{sae}-{control}" for sae, control in control_encoders(study))]


def control_encoders(study: Mapping) -> list[tuple[str, str]]:
    """(SAE, control) of each untrained encoder scored beside an SAE; by default beside all."""
    controls = study["specificity"]["controls"]
    saes = controls.get("saes", study["saes"])
    return [(sae, control) for sae in saes for control in controls["encoders"]]


def choice_of_layers(study: Mapping) -> dict[str, Any]:
    """The rule by which 'ours' takes layers from a score: `score`, and `top` or `at_least`.

    Where 'ours' takes them otherwise, the threshold that specificity.stability asks about.
    """
    ours = next(edit["selection"] for edit in study["edits"].values() if edit["role"] == "ours")
    selection = study["selections"][ours]
    if selection["by"] != "specificity" or not {"top", "at_least"} & set(selection):
        return {"at_least": study["specificity"]["stability"]["at_least"]}
    return {key: selection[key] for key in ("score", "top", "at_least") if key in selection}


def choosing_subjects(study: Mapping, family: str) -> list[str]:
    """Subjects whose validation accuracy chooses the alpha of an edit: its own, or the study's."""
    edit = study["edits"].get(family, {})
    return edit.get("choose_alpha_on", study["evaluation"]["choose_alpha_on"])


def searched(study: Mapping) -> dict[str, str]:
    """The search of each configured edit that evaluates what a search has kept."""
    edits = {name: study["edits"].get(name, {}) for name in evaluated(study)}
    return {name: edit["search"] for name, edit in edits.items() if "search" in edit}


def draw_of(name: str) -> int:
    """Which draw a concrete selection or edit is: 3 for random-3, 1 where there are no draws."""
    return int(name.partition("-")[2] or 1)


def alphas(study: Mapping, family: str) -> list[float]:
    """The alpha grid of a configured edit; the base has the one value 0."""
    return [0.0] if family == BASE else [float(alpha) for alpha in study["edits"][family]["alphas"]]


def _without_wrappers(node: Any, place: str, assumptions: list[dict]) -> Any:
    if isinstance(node, Mapping):
        if "assumed" in node:
            if set(node) != {"value", "assumed", "reason"} or node["assumed"] is not True:
                raise ValueError(
                    f"{place}: an assumed value is {{value: ..., assumed: true, reason: ...}}, "
                    f"found the keys {', '.join(map(str, node))}"
                )
            if not isinstance(node["reason"], str) or not node["reason"].strip():
                raise ValueError(f"{place}.reason: {node['reason']!r} gives no reason")
            assumptions.append({"key": place, "value": node["value"], "reason": node["reason"]})
            return node["value"]
        return {
            key: _without_wrappers(value, f"{place}.{key}" if place else str(key), assumptions)
            for key, value in node.items()
        }
    return node


def _explain(error: Any) -> str:
    place = ".".join(str(part) for part in error.absolute_path) or "study"
    about = f" ({error.schema['description']})" if "description" in error.schema else ""
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        unknown = min(str(key) for key in error.instance if key not in allowed)
        return f"{place}: unknown key '{unknown}'{_did_you_mean(unknown, allowed)}"
    if error.validator == "required":
        return f"{place}: {error.message.replace(' is a required property', ' is missing')}"
    if error.validator == "type":
        wanted = error.validator_value
        hint = _did_you_mean_number(error.instance) if wanted in ("number", "integer") else ""
        kinds = [wanted] if isinstance(wanted, str) else wanted
        words = " or ".join(_IN_WORDS[kind] for kind in kinds)
        return f"{place}: {error.instance!r} is not {words}{hint}{about}"
    if error.validator in ("oneOf", "anyOf"):
        keys = [key for option in error.validator_value for key in option["required"]]
        number = "exactly one" if error.validator == "oneOf" else "one"
        return f"{place}: needs {number} of {', '.join(keys)}"
    if error.validator == "dependentRequired":
        key, needs = next(
            (key, missing)
            for key, others in error.validator_value.items()
            for missing in others
            if key in error.instance and missing not in error.instance
        )
        return f"{place}: '{needs}' is missing ({key} needs it)"
    if error.validator == "enum":
        hint = _did_you_mean(str(error.instance), [str(v) for v in error.validator_value])
        return f"{place}: {error.instance!r} is not allowed{hint}"
    return f"{place}: {error.message}{about}"


def _did_you_mean(word: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(word, allowed, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f" ({hint}allowed: {', '.join(allowed)})"


def _did_you_mean_number(value: Any) -> str:
    """A hint for a letter O in place of a zero, and for 4e-3, which YAML reads as text."""
    try:
        number = float(value.replace("O", "0").replace("o", "0"))
    except (AttributeError, ValueError):
        return ""
    return f" (did you mean {number:g}?)" if math.isfinite(number) else ""


def _numbers(node: Any, place: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _numbers(value, f"{place}.{key}".lstrip("."))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _numbers(value, f"{place}.{index}")
    elif isinstance(node, float):
        yield place, node


def _with_defaults(node: Any, schema: Mapping, root: Mapping) -> Any:
    """A copy in which each absent key that has a default in the schema is there."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    if isinstance(node, Mapping):
        known = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for rule in schema.get("allOf", []):  # settings that depend on another, such as `by`
            if _Validator(rule["if"]).is_valid(node):
                node = _with_defaults(node, rule["then"], root)
        full = {key: sub["default"] for key, sub in known.items() if "default" in sub}
        for key, value in node.items():
            sub = known.get(key, others if isinstance(others, Mapping) else {})
            full[key] = _with_defaults(value, sub, root)
        return full
    if isinstance(node, list):
        return [_with_defaults(value, schema.get("items", {}), root) for value in node]
    return node


def _broken_references(study: Mapping) -> Iterator[str]:
    """Names that a section uses and no section defines; sizes that cannot be met."""
    subjects, layers = study["subjects"], layer_count(study)

    def known(place: str, name: str, allowed: list[str]) -> Iterator[str]:
        if name not in allowed:
            yield f"{place}: '{name}' is not defined{_did_you_mean(name, sorted(allowed))}"

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
    concrete = [edit for family in evaluated(study) for edit in edit_names(study, family)]
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
                hint = _did_you_mean(edit, sorted(evaluated(study)))
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


def _own_draws(study: Mapping, edit: Mapping) -> int | None:
    """How many edits one stands for: what its search keeps, or the draws of its transform."""
    if "search" in edit:
        search = study["searches"][edit["search"]]
        return search["best"] + search["spread"]
    return edit.get(SETTINGS_OF.get(edit["transform"]), {}).get("draws")


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
    if _own_draws(study, edit) and selection.get("draws"):
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
            hint = _did_you_mean(projection["sae"], sorted(saes))
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
