"""The study's model holds every default, and what is written from it says what it says."""

import shutil
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from stethoscope.models.base import ModelSettings
from stethoscope.models.lora import LoraSettings
from stethoscope.models.pretrain import PretrainSettings
from stethoscope.saes.train import SaeSettings
from stethoscope.selection.cma_search import SearchSettings
from stethoscope.study import document, load
from stethoscope.study.model import Architecture
from stethoscope.study.training import Lora, Pretraining, SaeTraining, Search

ROOT = Path(__file__).parents[3]
SEARCH = {"evaluations", "population", "sigma", "start", "bounds", "seed"}
OF_LIBRARY = {
    ModelSettings: {*Architecture.model_fields},
    PretrainSettings: {*Pretraining.model_fields},
    LoraSettings: {*Lora.model_fields} - {"processes"},
    SaeSettings: {*SaeTraining.model_fields} - {"problems"} | {"features", "k"},
    SearchSettings: SEARCH & {*Search.model_fields},
}


def test_schema_and_tables_are_those_of_the_model(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    document.write(tmp_path / "config")
    for name in ("schemas/study.schema.json", "README.md"):
        written = (ROOT / "config" / name).read_text()
        assert (tmp_path / "config" / name).read_text() == written, f"{name}: run make schema"


def test_settings_of_training_have_no_default_outside_of_the_study():
    for settings, keys in OF_LIBRARY.items():
        parts = fields(settings)
        assert {part.name for part in parts} == keys
        assert all(part.default is part.default_factory is MISSING for part in parts), settings


@pytest.fixture
def schema():
    schema = document.schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", ["ci", "full", "gemma-3-4b-it", "law"])
def test_the_schema_accepts_what_the_model_accepts(schema, name):
    study = load.check(load.load_yaml(ROOT / f"config/{name}.yaml"), name)
    del study["assumptions"]
    assert not list(schema.iter_errors(study))


@pytest.mark.parametrize(
    "section, change",
    [
        ("device", "gpu"),
        ("seeds", [1, 1]),
        ("model", {}),
        ("saes", {"Narrow": {}}),
        ("vectors", {"v2": {"problems": {"algebra": 1}, "lora": {"rnk": 1}}}),
        ("selections", {"sp": {"by": "range", "first": 0}}),
        ("selections", {"sp": {"by": "specificity", "sae": "x", "subject": "algebra"}}),
        ("evaluation", {"choose_alpha_on": ["algebra"], "batch_size": 0, "max_gen_toks": 1}),
    ],
)
def test_the_schema_refuses_what_the_model_refuses(schema, section, change):
    study = load.load_yaml(ROOT / "config/ci.yaml") | {section: change}
    with pytest.raises(ValueError):
        load.check(study, "ci")
    assert list(schema.iter_errors(study))
