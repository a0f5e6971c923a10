"""Lookups in a checked study, for rules. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from stethoscope.edits.spec import SETTINGS_OF, EditSpec
from stethoscope.names import BASE, EditId, SelectionId, edit_name

# Roles of edits, in the order in which tables list them; `base` is the unedited model.
ROLES = ("base", "full", "random", "projection", "projection_matched", "ours", "other", "control")
_GENERATION = (
    "batch_size", "max_gen_toks", "tasks", "num_fewshot", "chat_template", "backend", "dtype",
)  # fmt: skip


def layer_count(study: Mapping) -> int:
    """Number of decoder layers of the study's base model."""
    model = study["model"]
    return (model.get("load") or model["grow"]["architecture"])["layers"]


def stream_width(study: Mapping) -> int:
    """Width of the residual stream of the study's base model."""
    model = study["model"]
    return (model.get("load") or model["grow"]["architecture"])["hidden"]


def split_sizes(study: Mapping, split: str) -> dict[str, int]:
    """Number of problems of each subject in a split, such as validation."""
    data = study["data"]
    sizes = data["math"][split] if "math" in data else data["generate"]["splits"][split]
    return {subject: sizes["except"].get(subject, sizes["each"]) for subject in study["subjects"]}


def fetched_saes(study: Mapping) -> list[str]:
    """Names of the SAEs that are published ones; the others are trained here."""
    return [name for name, sae in study["saes"].items() if "load" in sae]


def selection_ids(study: Mapping, name: str) -> list[SelectionId]:
    """The sets of layers of a selection: its draws, or the one."""
    return [SelectionId(name, draw) for draw in _numbers(study["selections"][name].get("draws"))]


def scoring(study: Mapping) -> dict:
    """Settings of specificity scores, without those of its robustness, controls and scan."""
    others = ("stability", "controls", "dtype")
    return {key: value for key, value in study["specificity"].items() if key not in others}


def edit_spec(study: Mapping, spec: str) -> EditSpec:
    """The spec of an edit; the base is the empty edit."""
    return EditSpec({}) if spec == BASE else EditSpec.of(study["edits"][spec])


def edit_ids(study: Mapping, spec: str) -> list[EditId]:
    """The edits of an edit spec, at any alpha: one a draw, of its own or of its selection."""
    if spec == BASE:
        return [EditId(BASE)]
    edit = study["edits"][spec]
    draws = own_draws(study, edit) or study["selections"][edit["selection"]].get("draws")
    return [EditId(spec, draw) for draw in _numbers(draws)]


def edit_specs(study: Mapping) -> list[str]:
    """Names of all edit specs of the study, the unedited base first."""
    return [BASE, *study["edits"]]


def evaluated(study: Mapping) -> list[str]:
    """The edit specs that are evaluated; of the others only the energy is known."""
    return [BASE, *(name for name, edit in study["edits"].items() if edit["evaluate"])]


def swept(study: Mapping) -> list[str]:
    """The edit specs that are evaluated on the test problems at every alpha."""
    return [name for name, edit in study["edits"].items() if edit["sweep"]]


def exported(study: Mapping) -> list[str]:
    """The edit specs that become checkpoints at their chosen alphas."""
    return [name for name, edit in study["edits"].items() if edit["checkpoint"]]


def generation(study: Mapping, split: str = "test") -> dict[str, Any]:
    """Settings that can change an answer; the noise floor and protocols override some of them.

    split: whose answers; test, sweep, noise or the name of a protocol.
    """
    evaluation = study["evaluation"]
    settings = {key: evaluation[key] for key in _GENERATION}
    if split == "noise":
        settings["batch_size"] = evaluation["noise_floor"]["batch_size"]
    others = evaluation["protocols"].get(split, {})
    return settings | {key: value for key, value in others.items() if key != "edits"}


def evaluated_again(study: Mapping) -> list[str]:
    """Names of all further readings of the test problems: by alpha, by batch size, by protocol."""
    return ["sweep", "noise", *study["evaluation"]["protocols"]]


def selection_of(study: Mapping, edit: EditId) -> SelectionId:
    """The set of layers that an edit changes: a draw of the edit is one of its selection."""
    configured = study["edits"][edit.spec]
    drawn = None if own_draws(study, configured) else edit.draw
    return SelectionId(configured["selection"], drawn)


def edit_table(study: Mapping) -> list[dict[str, Any]]:
    """Every edit of the study at any alpha, a row each: by `ROLES`, then as configured, then draw.

    edit: its name in other tables. spec, draw: of what it is a draw, None where there are none.
    role, label, transform: as configured. selection, selection_draw: the layers that it changes.
    evaluated: whether it answers problems, 1 or 0; of others only the energy is known.
    """
    rows = []
    for spec in edit_specs(study):
        settings = {"role": "base", "label": "Base model", "transform": "raw"}
        settings |= study["edits"].get(spec, {})
        for edit in edit_ids(study, spec):
            layers = None if spec == BASE else selection_of(study, edit)
            rows.append(
                {
                    "edit": edit_name(edit),
                    "spec": spec,
                    "draw": edit.draw,
                    "role": settings["role"],
                    "label": settings["label"],
                    "selection": layers and layers.name,
                    "selection_draw": layers and layers.draw,
                    "transform": settings["transform"],
                    "evaluated": int(spec == BASE or settings["evaluate"]),
                }
            )
    return sorted(rows, key=lambda row: ROLES.index(row["role"]))


def merged_pairs(study: Mapping) -> list[dict[str, Any]]:
    """Pairs of vectors that edits merge: first, second, selection, its draw, and density.

    Each pair once, in the order of names. density: 1 for the vectors themselves, and the share
    that a trimming transform keeps.
    """
    keys = ("first", "second", "selection", "draw", "density")
    pairs: dict[tuple, None] = {}
    for spec, edit in study["edits"].items():
        density = float(edit.get("merging", {}).get("density", 1.0))
        for layers in (selection_of(study, drawn) for drawn in edit_ids(study, spec)):
            for pair in combinations(sorted(edit["vectors"]), 2):
                key = (*pair, layers.name, layers.draw)
                pairs |= {(*key, 1.0): None, (*key, density): None}
    return [dict(zip(keys, pair, strict=True)) for pair in pairs]


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

    If 'ours' has neither, the threshold of specificity.stability.
    """
    ours = next(edit["selection"] for edit in study["edits"].values() if edit["role"] == "ours")
    selection = study["selections"][ours]
    if selection["by"] != "specificity" or not {"top", "at_least"} & set(selection):
        return {"at_least": study["specificity"]["stability"]["at_least"]}
    return {key: selection[key] for key in ("score", "top", "at_least") if key in selection}


def choosing_subjects(study: Mapping, spec: str) -> list[str]:
    """Subjects whose validation accuracy chooses the alpha of an edit: its own, or the study's."""
    edit = study["edits"].get(spec, {})
    return edit.get("choose_alpha_on", study["evaluation"]["choose_alpha_on"])


def searched(study: Mapping) -> dict[str, str]:
    """The search of each edit spec that evaluates what a search has kept."""
    edits = {name: study["edits"].get(name, {}) for name in evaluated(study)}
    return {name: edit["search"] for name, edit in edits.items() if "search" in edit}


def alphas(study: Mapping, spec: str) -> list[float]:
    """The alpha grid of an edit spec; the base has the one value 0."""
    return [0.0] if spec == BASE else [float(alpha) for alpha in study["edits"][spec]["alphas"]]


def own_draws(study: Mapping, edit: Mapping) -> int | None:
    """Number of an edit's own draws: candidates of its search, or draws of its transform."""
    if "search" in edit:
        search = study["searches"][edit["search"]]
        return search["best"] + search["spread"]
    return edit.get(SETTINGS_OF.get(edit["transform"]), {}).get("draws")


def _numbers(draws: int | None) -> list[int | None]:
    """Numbers of the draws, from 1; one None where nothing is drawn."""
    return list(range(1, draws + 1)) if draws else [None]
