"""A study is checked before anything runs; what is wrong is one line that says what is allowed."""

import copy
import csv
from inspect import signature
from math import comb
from pathlib import Path
from typing import get_args

import pytest
import yaml

from stethoscope.edits.merging import METHODS
from stethoscope.edits.spec import MERGING_NEEDS, SETTINGS_OF, EditSpec
from stethoscope.edits.transforms import TRANSFORMS
from stethoscope.evaluation.reuse import reusable_specs
from stethoscope.names import EditId, SelectionId
from stethoscope.study import load
from stethoscope.study import queries as studies
from stethoscope.study.edits import Edit, PublishedConfiguration

CONFIG = Path(__file__).parents[3] / "config"
STUDIES = sorted({path.stem for path in CONFIG.glob("*.yaml")} - {"lab-cpu"})  # on top of lab


@pytest.fixture
def config():
    return load.load_yaml(CONFIG / "ci.yaml")


def checked(config):
    return load.check(config, "my.yaml")


def complaint(config) -> str:
    with pytest.raises(ValueError) as error:
        checked(config)
    message = str(error.value)
    assert message.startswith("my.yaml: ") and "\n" not in message
    return message.removeprefix("my.yaml: ")


def put(config, place: str, value) -> dict:
    """The configuration with one value replaced; '...' removes it."""
    *path, last = place.split(".")
    node = config
    for part in path:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return config


@pytest.mark.parametrize("name", STUDIES)
def test_the_studies_of_this_repository_are_in_order(name):
    study = checked(load.load_yaml(CONFIG / f"{name}.yaml"))
    assert all(entry["reason"] for entry in study["assumptions"])


def test_the_full_study_is_the_demo_with_more_selections_and_edits():
    demo, full = (checked(load.load_yaml(CONFIG / f"{name}.yaml")) for name in ("demo", "full"))
    del full["specificity"]["controls"], demo["specificity"]["controls"]
    assert full["evaluation"].pop("reuse_answers_from") == ["sp", "random"]
    del full["evaluation"]["noise_floor"], demo["evaluation"]["reuse_answers_from"]
    for study in (demo, full):  # the full one asks fewer problems of more edits
        for split in ("validation", "test"):
            del study["data"]["generate"]["splits"][split]
    for edit in full["edits"].values():
        edit["sweep"] = False
    for section in ("seeds", "model", "data", "subjects", "specificity", "evaluation"):
        assert full[section] == demo[section]
    for section, names in (("saes", ["narrow"]), ("vectors", ["v2"]), ("edits", demo["edits"])):
        for name in names:
            assert full[section][name] == demo[section][name]
    # SP's set and its random draws are all sets of three of the eight layers.
    assert len(studies.edit_ids(full, "random")) == comb(8, 3) - 1


def test_checking_leaves_the_configuration_itself_alone(config):
    before = copy.deepcopy(config)
    checked(config)
    assert config == before


def test_a_checked_study_can_be_written_down_and_checked_again(config):
    study = checked(config)
    del study["assumptions"]
    again = checked(study)
    del again["assumptions"]
    assert again == study


def test_defaults_are_filled_in_wherever_the_model_has_them(config):
    del config["specificity"]["stability"], config["model"]["grow"]["training"]
    put(config, "selections.sp.score", "sp_smooth")
    study = checked(config)
    assert study["model"]["grow"]["architecture"]["sliding_window"] == 256
    assert study["model"]["grow"]["training"]["matrix_lr"] == 0.02
    assert study["vectors"]["v2"]["lora"]["rank"] == 16
    assert study["vectors"]["v2"]["lora"]["epochs"] == 2  # as given
    assert study["edits"]["projected"]["projection"]["match_norm"] is False
    assert study["data"]["generate"]["splits"]["test"]["except"] == {}
    assert study["specificity"]["stability"]["resamples"] == 1000
    assert study["selections"]["sp"]["score"] == "sp_smooth"
    assert "score" not in study["selections"]["all"]  # a setting of one selector only


def test_a_number_stays_as_it_is_written(config):
    put(config, "specificity.epsilon", 1)
    assert isinstance(checked(config)["specificity"]["epsilon"], int)  # results spell it so


def test_the_examined_rule_is_that_of_our_layers(config):
    assert studies.choice_of_layers(checked(config)) == {"score": "sp", "top": 2}
    put(config, "selections.sp.top", ...)
    put(config, "selections.sp.at_least", 2.5)
    assert studies.choice_of_layers(checked(config)) == {"score": "sp", "at_least": 2.5}
    put(config, "edits.sp.selection", "all")
    assert studies.choice_of_layers(checked(config)) == {"at_least": 4.0}


def test_a_selection_may_be_made_from_an_untrained_encoder_that_is_scored(config):
    assert studies.scored_encoders(checked(config)) == [
        "narrow", "narrow-random", "narrow-coordinates",
    ]  # fmt: skip
    put(config, "selections.sp.sae", "narrow-random")
    checked(config)
    put(config, "specificity.controls.encoders", [])
    assert "selections.sp.sae: 'narrow-random' is not defined" in complaint(config)


def test_a_subject_with_one_probe_problem_is_refused_before_anything_runs(config):
    put(config, "data.generate.splits.probe", {"each": 20, "except": {"geometry": 1}})
    assert "splits.probe: 1 problem of geometry, expected two or more" in complaint(config)


@pytest.mark.parametrize(
    "place, value, expected",
    [
        # unknown and missing keys
        ("edits.sp.alpha", [1.0], ["edits.sp: unknown key 'alpha'", "did you mean 'alphas'?"]),
        ("editz", {}, ["unknown key 'editz'", "did you mean 'edits'?"]),
        ("7", 1, ["study: unknown key '7'"]),
        ("selections.all.top", 1, ["selections.all: unknown key 'top'", "allowed: by"]),
        ("evaluation", ..., ["study: 'evaluation' is missing"]),
        ("saes.narrow.k", ..., ["saes.narrow: 'k' is missing"]),
        ("selections.sp.by", ..., ["selections.sp: 'by' is missing"]),
        ("selections.sp.by", "spec", ["selections.sp.by: 'spec' is not allowed", "add_one_in"]),
        ("vectors.v2.problems", {"maths": 1}, ["vectors.v2.problems: 'maths' is not allowed"]),
        # types
        ("edits.sp.alphas", ["O.8"], ["edits.sp.alphas.0: 'O.8' is not a number", "mean 0.8?"]),
        ("saes.narrow.train.lr", "4e-3", ["'4e-3' is not a number (did you mean 0.004?)"]),
        ("specificity.epsilon", "small", ["specificity.epsilon: 'small' is not a number (epsilon"]),
        ("seeds", [1.0], ["seeds.0: 1.0 is not a whole number"]),
        ("seeds", 1, ["seeds: 1 is not a list"]),
        ("seeds", [True], ["seeds.0: True is not a whole number"]),
        ("study", None, ["study: None is not a mapping"]),
        ("edits.projected.projection.match_norm", "yes", ["'yes' is not true or false"]),
        # ranges and patterns
        ("saes.narrow.features", 1, ["saes.narrow.features: 1 is less than", "minimum of 2"]),
        ("specificity.epsilon", 0, ["specificity.epsilon: 0 is less than or equal to", "of 0"]),
        ("specificity.smoothing_quantile", 1, ["quantile: 1 is greater than or equal to"]),
        ("seeds", [], ["seeds: [] has 0 entries, expected 1 or more"]),
        ("edits.sp.alphas", [1, 1.0], ["edits.sp.alphas: [1, 1.0] has non-unique elements"]),
        ("study.name", "My study", ["study.name: 'My study' does not match", "letters, digits"]),
        ("specificity.unit", "rew", ["'rew' is not allowed (did you mean 'raw'? allowed: mean_"]),
        ("edits.sp.alphas", [float("nan")], ["edits.sp.alphas.0: nan is not a finite number"]),
        ("edits.sp.alphas", [float("inf")], ["edits.sp.alphas.0: inf is not a finite number"]),
        ("saes.narrow.train.lr", float("inf"), ["saes.narrow.train.lr: inf is not a finite"]),
        # references to what no section defines
        ("study.target", "number_teory", ["study.target: 'number_teory'", "'number_theory'?"]),
        ("edits.sp.selection", "spp", ["edits.sp.selection: 'spp' is not defined", "'sp'?"]),
        ("edits.sp.vectors", {"v3": 1}, ["sp.vectors: 'v3' is not defined", "allowed: cp, v2"]),
        ("selections.sp.sae", "wide", ["selections.sp.sae: 'wide' is not", "allowed: narrow"]),
        ("edits.projected.projection.sae", "wide", ["edits.projected.projection.sae: 'wide'"]),
        ("selections.random.like", "x", ["selections.random.like: 'x'", "allowed: all, "]),
        ("selections.random.like", "random", ["selections.random.like: 'random'"]),
        ("evaluation.choose_alpha_on", ["x"], ["evaluation.choose_alpha_on.0: 'x' is not allowed"]),
        ("specificity.controls.saes", ["wide"], ["controls.saes: 'wide' is not defined"]),
        ("evaluation.reuse_answers_from", ["gain"], ["from: 'gain' is not defined", "complement"]),
        ("statistics.references", ["random"], ["statistics.references: 'random'", "random-1"]),
        # sizes and combinations that cannot be
        ("selections.sp.top", 5, ["selections.sp.top: 5 of a model with 4 layers"]),
        ("selections.sp.at_least", 4.0, ["selections.sp: needs exactly one of at_least, top"]),
        ("selections.sp.top", ..., ["selections.sp: needs exactly one of at_least, top"]),
        ("selections.all", {"by": "range", "first": 2, "last": 4}, ["last: layer 4 of a model"]),
        ("selections.all", {"by": "range", "first": 2, "last": 1}, ["first 2 is after last 1"]),
        ("selections.rest.of", "random", ["selections.rest.of: 'random' is not defined"]),
        ("selections.either.of", ["sp", "x"], ["selections.either.of: 'x' is not defined"]),
        ("selections.either.of", "sp", ["selections.either.of: 'sp' is not a list"]),
        ("selections.shallow.minus", "x", ["selections.shallow.minus: 'x' is not defined"]),
        ("selections.norm.vector", "v9", ["selections.norm.vector: 'v9' is not defined"]),
        ("selections.random_norm.match_norm_of", "v9", ["match_norm_of: 'v9' is not defined"]),
        ("selections.random_band.within", "x", ["selections.random_band.within: 'x' is not def"]),
        ("selections.random_band.within", 3, ["within: 3 is not text or a mapping"]),
        ("selections.random_norm.within", {"first": 1}, ["within: 'last' is missing"]),
        ("selections.random_norm.within.last", 4, ["within.last: layer 4 of a model with 4"]),
        ("selections.random_norm.within.first", 4, ["within.first: layer 4 of a model"]),
        ("selections.n_features.lowest", True, ["n_features.lowest: goes with top or like"]),
        ("selections.norm.top", 1, ["selections.norm: needs exactly one of at_least, top, like"]),
        ("edits.projected.projection", ..., ["edits.projected.projection: is missing"]),
        ("edits.raw_matched.projection", ..., ["is missing (transform: raw_matched needs it)"]),
        ("edits.raw_matched.projection.match_norm", True, ["raw_matched.projection.match_norm:"]),
        ("edits.projected.projection.sae", ..., ["projection.sae: is missing (basis: sae needs"]),
        ("edits.projected.projection.draws", 2, ["draws: basis sae has nothing to draw"]),
        ("edits.complement.projection.reading", "unnormalized", ["it has no complement"]),
        ("edits.random_basis.selection", "random", ["draws: its selection 'random' has draws"]),
        ("edits.ties.merging", ..., ["edits.ties.merging: is missing (transform: ties needs it)"]),
        ("edits.ties.merging", {}, ["merging.density: is missing (transform: ties needs it)"]),
        ("edits.ties.merging.drop", 0.5, ["edits.ties.merging.drop: transform ties has no drop"]),
        ("edits.ties.merging.draws", 2, ["merging.draws: transform ties has no draws"]),
        ("edits.dare.merging.seed", ..., ["merging.seed: is missing (transform: dare needs it)"]),
        ("edits.dare.merging.density", 0.1, ["merging.density: transform dare has no density"]),
        ("edits.dare.selection", "random", ["dare.merging.draws: its selection 'random' has"]),
        ("edits.dare.transform", "Dare", ["'Dare' is not allowed (did you mean 'dare'?"]),
        ("edits.projected.merging", {"density": 1}, ["merging: transform project has no merging"]),
        ("edits.full.merging", {"density": 1}, ["full.merging: transform raw has no merging"]),
        ("edits.stitch.projection", {"rank": 1}, ["transform localize_and_stitch has no proj"]),
        ("edits.sp.evaluate", False, ["edits.sp.evaluate: an edit with the role ours is"]),
        ("edits.sp.published", ["SP4 15L"], ["'SP4 15L' is not allowed (did you mean 'SP4 14L'?"]),
        ("edits.full.published", ["SP4 14L"], ["'SP4 14L' is reproduced by edits.full already"]),
        ("statistics.references", ["oracle"], ["statistics.references: 'oracle' is not defined"]),
        ("edits.oracle.sweep", True, ["edits.oracle.sweep: an edit that is not evaluated"]),
        ("edits.oracle.checkpoint", True, ["edits.oracle.checkpoint: an edit that is not"]),
        ("evaluation.noise_floor.edits", ["x"], ["noise_floor.edits: 'x' is not", "allowed: base"]),
        ("evaluation.noise_floor.edits", ["oracle"], ["noise_floor.edits: 'oracle' is not"]),
        ("evaluation.noise_floor.batch_size", 64, ["64 is evaluation.batch_size itself"]),
        ("edits.base", {"label": "", "role": "other", "vectors": {"v2": 1}, "selection": "all",
                        "alphas": [1]}, ["edits.base: 'base' is the empty edit"]),
        ("edits.sp.role", "other", ["edits: none has the role 'ours'"]),
        ("searches.nt.vector", "v9", ["searches.nt.vector: 'v9' is not defined"]),
        ("searches.nt.bounds", [0, 1, 2], ["nt.bounds: [0, 1, 2] has 3 entries, expected 2 or"]),
        ("searches.nt.bounds", [1, 0], ["searches.nt.start: 0.5 is not between the bounds 1 and"]),
        ("searches.nt.start", 3, ["searches.nt.start: 3 is not between the bounds 0 and 2"]),
        ("searches.nt.problems", 13, ["searches.nt.problems: 13 of 12 validation problems"]),
        ("searches.nt.spread", 8, ["searches.nt.evaluations: 8 are fewer than best + spread"]),
        ("edits.cma.search", "cp", ["edits.cma.search: 'cp' is not defined", "allowed: nt"]),
        ("edits.cma.vectors", {"v2": 0.5}, ["edits.cma.vectors: expected v2: 1.0, as its search"]),
        ("edits.cma.selection", "sp", ["edits.cma.selection: expected one by: all"]),
        ("edits.cma.alphas", [0.5, 1.0], ["edits.cma: a search's alphas are taken as they are"]),
        ("edits.cma.choose_alpha_on", ["algebra"], ["choose_alpha_on: lacks number_theory"]),
        # assumptions
        ("specificity.epsilon", {"value": 1, "assumed": True}, ["specificity.epsilon: an assumed"]),
        ("specificity.epsilon", {"value": 1, "assumed": True, "reason": " "}, ["epsilon.reason"]),
        ("specificity.epsilon", {"value": 1, "assumed": False, "reason": "x"}, ["assumed: true"]),
        ("specificity.epsilon", {"value": 0, "assumed": True, "reason": "x"}, ["epsilon: 0 is le"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_key_and_what_is_allowed(
    config, place, value, expected
):
    message = complaint(put(config, place, value))
    for part in expected:
        assert part in message


def test_subjects_outside_the_study_are_named_where_they_are_used(config):
    config["subjects"] = ["number_theory", "algebra"]
    del config["vectors"]["cp"]
    put(config, "selections.sp.subject", "geometry")
    expected = "selections.sp.subject: 'geometry' is not defined (allowed: algebra, number_theory)"
    assert complaint(config) == expected


def test_assumed_values_are_unwrapped_and_listed_with_their_reasons(config):
    put(config, "specificity.epsilon", {"value": 0.5, "assumed": True, "reason": "not stated"})
    study = checked(config)
    assert study["specificity"]["epsilon"] == 0.5
    assert study["assumptions"] == [
        {"key": "specificity.epsilon", "value": 0.5, "reason": "not stated"}
    ]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("study:\n  name: a\n  name: b\n", "my.yaml: key 'name' stands twice, in lines 2 and 3"),
        ("study:\n\tname: a\n", r"my.yaml:2: not YAML: found character '\t'"),
        ("study: {name: a\nseeds: [1]\n", "my.yaml:2: not YAML: "),
        ("study: 'a\n", "not YAML: found unexpected end of stream"),
        ("study: \x00\n", "my.yaml: not YAML: unacceptable character"),
        ("a: !!python/object/apply:os.getcwd []\n", "my.yaml:1: not YAML: could not determine"),
        ("a: 1\n[b]: 2\n", "my.yaml: line 2: a key must be text, found ['b']"),
        ("", "my.yaml: expected a mapping of sections, found NoneType"),
        ("- a\n", "my.yaml: expected a mapping of sections, found list"),
    ],
)
def test_broken_yaml_is_one_line_with_the_place(tmp_path, text, expected):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        load.load_yaml(path)
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_yaml_is_read_as_yaml_says(tmp_path):
    text = "a: {b: [1, 2.5, text], c: null}\nd: &x {e: 1}\nf: *x\n"
    (tmp_path / "my.yaml").write_text(text)
    assert load.load_yaml(tmp_path / "my.yaml") == yaml.safe_load(text)


def test_an_edit_with_a_random_selection_stands_for_one_edit_a_draw(config):
    study = checked(config)
    assert studies.edit_specs(study) == ["base", *config["edits"]]
    assert studies.edit_ids(study, "random") == [EditId("random", draw) for draw in range(1, 6)]
    assert studies.edit_ids(study, "sp") == [EditId("sp")]
    assert studies.edit_ids(study, "base") == [EditId("base")]


def test_an_edit_may_reuse_the_answers_of_specs_that_could_make_the_same_edit(config):
    config["edits"]["gain"] |= {"evaluate": True}
    study = checked(config)
    equals = {spec: reusable_specs(study, spec) for spec in studies.edit_specs(study)}
    # As many layers as SP has, of the same task vector, as it is; and never of one another.
    assert {spec for spec, others in equals.items() if others} == {"norm", "gain"}
    assert equals["norm"] == equals["gain"] == ["sp", "random"]
    config["edits"]["gain"] |= {"choose_alpha_on": ["algebra"]}  # other answers are wanted
    assert reusable_specs(checked(config), "gain") == []
    del config["evaluation"]["reuse_answers_from"]
    assert reusable_specs(checked(config), "norm") == []


def test_the_draw_of_an_edit_is_the_draw_of_its_selection_or_its_own(config):
    edit = {**config["edits"]["random"], "label": "Projected on random layers", "role": "other"}
    config["edits"]["elsewhere"] = edit
    study = checked(config)
    assert studies.selection_of(study, EditId("elsewhere", 2)) == SelectionId("random", 2)
    assert studies.selection_of(study, EditId("random", 1)) == SelectionId("random", 1)
    assert studies.selection_of(study, EditId("projected")) == SelectionId("sp")
    for drawn in ("random_basis", "dare"):  # draws of its own, on the same layers
        assert [edit.draw for edit in studies.edit_ids(study, drawn)] == [1, 2]
        assert studies.selection_of(study, EditId(drawn, 2)) == SelectionId("sp")


def test_the_table_of_edits_lists_each_by_role_then_as_configured_then_by_draw(config):
    table = studies.edit_table(checked(config))
    assert [row["edit"] for row in table[:4]] == ["base", "full", "random-1", "random-2"]
    assert [studies.ROLES.index(row["role"]) for row in table] == sorted(
        studies.ROLES.index(row["role"]) for row in table
    )
    by_name = {row["edit"]: tuple(row.values())[1:] for row in table}
    assert by_name["base"] == ("base", None, "base", "Base model", None, None, "raw", 1)
    label = "Random layers"
    assert by_name["random-5"] == ("random", 5, "random", label, "random", 5, "raw", 1)
    label = "Random directions"
    assert by_name["random_basis-2"] == (
        *("random_basis", 2, "other", label),
        *("sp", None, "project", 0),
    )
    assert list(by_name).index("random_basis-2") == list(by_name).index("random_basis-1") + 1


def test_a_searched_edit_stands_for_each_configuration_that_its_search_keeps(config):
    study = checked(put(config, "searches.nt.spread", 2))
    assert [edit.draw for edit in studies.edit_ids(study, "cma")] == [1, 2, 3]
    assert studies.selection_of(study, EditId("cma", 3)) == SelectionId("all")
    assert studies.searched(study) == {"cma": "nt"}
    assert studies.searched(checked(put(config, "edits.cma.evaluate", False))) == {}


def test_a_study_without_searches_is_a_study(config):
    del config["searches"], config["edits"]["cma"]
    assert checked(config)["searches"] == {}
    assert studies.searched(checked(config)) == {}


def test_alpha_is_chosen_on_the_edits_own_subjects_or_on_the_studys(config):
    study = checked(config)
    assert studies.choosing_subjects(study, "sp") == ["number_theory"]
    assert studies.choosing_subjects(study, "base") == ["number_theory"]
    assert studies.choosing_subjects(study, "cma") == ["number_theory", "algebra"]


def test_each_way_to_merge_is_in_the_study_and_in_the_library():
    transforms = get_args(Edit.model_fields["transform"].annotation)
    assert {"raw", *SETTINGS_OF} == set(transforms) == set(TRANSFORMS)
    assert set(MERGING_NEEDS) == set(METHODS)
    for method, needs in MERGING_NEEDS.items():
        settings = list(signature(METHODS[method]).parameters)[2:]
        assert [name for name in settings if name != "draw"] == list(needs)


def test_a_pair_of_vectors_is_measured_where_it_is_merged_whole_and_trimmed(config):
    def pairs():
        return [tuple(pair.values()) for pair in studies.merged_pairs(checked(config))]

    assert pairs() == [
        ("cp", "v2", "all", None, 1.0),
        ("cp", "v2", "all", None, 0.2),
        ("cp", "v2", "sp", None, 1.0),
        ("cp", "v2", "sp", None, 0.1),
    ]
    put(config, "edits.dual.selection", "random")
    assert ("cp", "v2", "random", 2, 1.0) in pairs()
    put(config, "vectors.third", config["vectors"]["cp"])
    put(config, "edits.dual.vectors", {"v2": 1, "third": 1, "cp": 1})
    found = [pair[:2] for pair in pairs() if pair[2:4] == ("random", 1)]
    assert found == [("cp", "third"), ("cp", "v2"), ("third", "v2")]


def test_edits_that_are_not_evaluated_are_edits_all_the_same(config):
    study = checked(config)
    assert set(studies.edit_specs(study)) - set(studies.evaluated(study)) == {
        "random_basis", "oracle", "frequent", "random_features", "raw_matched", "gain",
        "dual", "dare", "stitch",
    }  # fmt: skip


def test_an_edit_may_reproduce_every_configuration_that_the_paper_names():
    columns = {"table2": "config", "table3": "method", "table5": "configuration"}
    named = {
        row[column]
        for table, column in columns.items()
        for row in csv.DictReader((CONFIG / f"published/{table}.csv").read_text().splitlines())
    }
    assert set(get_args(PublishedConfiguration)) == named


def test_what_an_edit_answers_and_is_called_makes_no_other_edit(config):
    before = studies.edit_spec(checked(config), "sp")
    assert before == EditSpec({"v2": 1.0}, "raw", "sp")
    changes = {"label": "Other", "published": ["MID 10L"], "sweep": True, "alphas": [0.25, 1.0]}
    changes["checkpoint"] = True
    for key, value in changes.items():
        put(config, f"edits.sp.{key}", value)
    assert studies.edit_spec(checked(config), "sp") == before
    assert studies.swept(checked(config)) == ["full", "sp"]
    put(config, "edits.sp.vectors", {"v2": 0.5})
    assert studies.edit_spec(checked(config), "sp") != before
    assert studies.edit_spec(checked(config), "base") == EditSpec({})


def test_only_the_noise_floor_has_another_batch_size(config):
    study = checked(config)
    sizes = {split: studies.generation(study, split) for split in ("test", "sweep", "noise")}
    assert sizes["test"] == sizes["sweep"]
    assert sizes["test"]["batch_size"] == 64 and sizes["test"]["max_gen_toks"] == 48
    assert sizes["noise"] == sizes["test"] | {"batch_size": 32}


def test_the_paper_study_is_the_papers():
    """Against its text: appendix A, section 4 and the tables as published."""
    study = checked(load.load_yaml(CONFIG / "gemma-3-4b-it.yaml"))
    assert study["vectors"]["v2"]["lora"]["rank"] == 16
    assert study["vectors"]["v2"]["lora"]["epochs"] == 5
    assert sum(study["vectors"]["v25"]["problems"].values()) == 6155
    assert study["selections"]["sp4"]["at_least"] == 4.0
    asked = studies.generation(study)
    assert (asked["tasks"], asked["num_fewshot"], asked["chat_template"]) == (
        "minerva_math", 4, False,
    )  # fmt: skip
    with open(CONFIG / "published/table4.csv", newline="") as file:
        grid = [float(row["alpha"]) for row in csv.DictReader(file)]
    assert set(grid) <= set(study["edits"]["sp4"]["alphas"]) and study["edits"]["sp4"]["sweep"]
    with open(CONFIG / "published/table2.csv", newline="") as file:
        rows = {row["config"]: float(row["alpha"]) for row in csv.DictReader(file)}
    held = {name: edit for edit in study["edits"].values() for name in edit["published"]}
    for name, alpha in rows.items():
        assert alpha in held[name]["alphas"], name
    with open(CONFIG / "published/table6.csv", newline="") as file:
        marked = {int(r["layer"]) for r in csv.DictReader(file) if r["selected_sp_ge_4"] == "1"}
    printed = [study["selections"][name] for name in study["selections"]["table6"]["of"]]
    layers = {layer for part in printed for layer in range(part["first"], part["last"] + 1)}
    assert layers == marked and len(layers) == 14


CHAT = {"edits": ["base", "sp"], "chat_template": True, "max_gen_toks": 60}


def test_a_protocol_asks_in_its_own_way_and_else_as_the_study_does(config):
    study = checked(put(config, "evaluation.protocols", {"chat": CHAT}))
    test = studies.generation(study)
    assert studies.generation(study, "chat") == test | {"chat_template": True, "max_gen_toks": 60}
    assert studies.evaluated_again(study) == ["sweep", "noise", "chat"]


@pytest.mark.parametrize(
    "place, value, message",
    [
        ("num_fewshot", 4, "evaluation.num_fewshot: tasks: local has no examples"),
        ("num_fewshot", 5, "evaluation.num_fewshot: 5 is greater than"),
        ("tasks", "minerva", "did you mean 'minerva_math'?"),
        ("backend", "vllm", "evaluation.backend: vllm needs device: cuda"),
        ("protocols.chat", CHAT | {"edits": ["sp"]}, "lacks 'base', which gains are over"),
        ("protocols.chat", CHAT | {"edits": ["base", "so"]}, "'so' is not evaluated"),
        ("protocols.chat", CHAT | {"num_fewshot": 1}, "protocols.chat.num_fewshot: tasks: local"),
        ("protocols.noise", CHAT, "protocols.noise: 'noise' is an evaluation of every study"),
    ],
)
def test_what_cannot_be_asked_is_one_line_that_says_why(config, place, value, message):
    put(config, "evaluation.protocols", {})
    assert message in complaint(put(config, f"evaluation.{place}", value))


def test_vllm_takes_low_rank_edits_alone(config):
    put(put(config, "device", "cuda"), "evaluation.backend", "vllm")
    assert "edits.ties.transform: ties is no adapter" in complaint(config)


def test_alphas_are_numbers_and_the_base_has_the_one_value_zero(config):
    study = checked(put(config, "edits.sp.alphas", [1, 0.8, -2]))
    assert studies.alphas(study, "sp") == [1.0, 0.8, -2.0]
    assert studies.alphas(study, "base") == [0.0]


def test_selections_that_wait_for_one_another_are_named(config):
    put(config, "selections.rest.of", "around")
    put(config, "selections.around.of", "rest")
    expected = "selections: rest, around, random_band wait for one another"
    assert complaint(config) == expected
    put(config, "selections.around.of", "sp")
    put(config, "selections.norm.like", "norm")
    assert complaint(config) == "selections: norm wait for one another"


COMMIT, DIGEST = "3e94b68be95290aada5b7525cf431d3040f81bb1", "0f" * 32
FOLDER = "resid_post_all/layer_{layer}_width_16k_l0_small"


@pytest.fixture
def fetching(config):
    """A study on a model, SAEs and problems that are there already."""
    config["model"] = {"load": {"hub": "google/x", "revision": COMMIT, "layers": 4, "hidden": 64}}
    config["data"] = {
        "math": {"path": "MATH", "sha256": DIGEST, "validation": {"each": 6}, "probe": {"each": 2}}
    }
    load = {"path": "saes", "folder": FOLDER, "format": "gemma_scope_2"}
    config["saes"] = {"narrow": {"load": load}}
    return config


def test_a_model_saes_and_problems_may_be_fetched(fetching):
    study = checked(put(fetching, "model.load.path", "models/x"))  # beside the hub
    assert studies.layer_count(study) == 4
    assert studies.fetched_saes(study) == ["narrow"]
    assert studies.split_sizes(study, "validation")["geometry"] == 6
    assert study["model"]["load"]["files"] == {} and study["data"]["math"]["seed"] == 1


@pytest.mark.parametrize(
    "place, value, message",
    [
        ("model.load.hub", ..., "model.load: needs one of path, hub"),
        ("model.load.revision", ..., "model.load: 'revision' is missing (hub needs it)"),
        ("model.load.revision", "main", "model.load.revision: 'main' does not match"),
        ("model.load.hub", "../x", "model.load.hub: '../x' does not match"),
        ("model.load.layers", ..., "model.load: 'layers' is missing"),
        ("model.load.files", {"a": "b"}, "model.load.files.a: 'b' does not match"),
        ("model.grow", {}, "model: needs exactly one of grow, load"),
        ("data.math.sha256", ..., "data.math: 'sha256' is missing"),
        ("data.math.path", ..., "data.math: needs one of path, hub"),
        ("data.math.probe.each", 1, "data.math.probe: 1 problem of number_theory, expected two"),
        ("data", {}, "data: needs exactly one of generate, math"),
        ("saes.narrow.load.folder", "layer_3", "saes.narrow.load.folder: 'layer_3' does not"),
        ("saes.narrow.load.format", "gemma_scope", "did you mean 'gemma_scope_2'?"),
        ("saes.narrow", {}, "saes.narrow: needs exactly one of train, load"),
        ("saes.narrow", {"train": {}}, "saes.narrow: 'features' is missing (train needs it)"),
    ],
)
def test_what_cannot_be_fetched_is_one_line_that_says_why(fetching, place, value, message):
    assert message in complaint(put(fetching, place, value))


def test_a_grown_model_needs_problems_to_learn_from(config, fetching):
    model = load.load_yaml(CONFIG / "ci.yaml")["model"]
    assert "model.grow: needs data.generate" in complaint(put(fetching, "model", model))
