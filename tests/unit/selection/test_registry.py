"""A selector is one function: its settings, its files and its selection follow from it.

`by_sp_over_norm` is the example of docs/selectors.md.
"""

import importlib
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pytest
from pydantic import Field

from stethoscope.selection.needs import Vector
from stethoscope.selection.registry import SELECTORS, selector
from stethoscope.selection.select import load_given, selection_record
from stethoscope.study import load, model, selections
from stethoscope.task_vectors.delta import LowRank
from stethoscope.task_vectors.task_vector import TaskVector, layer_energies

LINE = {"by": "sp_over_norm", "sae": "narrow", "subject": "algebra", "vector": "v2", "like": "sp"}


@pytest.fixture(scope="module", autouse=True)
def sp_over_norm():
    """A selector in place, as if its function were in by_score.py; gone afterwards."""

    @selector(needs=("sp_table",), scores=True)
    def by_sp_over_norm(
        n_layers: int,
        sp_table: pd.DataFrame,
        vector: Vector,
        power: Annotated[float, Field(gt=0, description="of the norm")] = 1.0,
    ) -> np.ndarray:
        """SP of a layer, divided by a power of the norm of the task vector in it."""
        norms = np.sqrt(layer_energies(vector, n_layers))
        return sp_table["sp"].to_numpy() / norms**power

    build_the_study()
    yield
    del SELECTORS["sp_over_norm"]
    build_the_study()


def build_the_study():
    """Its model is built from all selectors when it is imported."""
    for module in (selections, model, load):
        importlib.reload(module)


def check(selection: dict) -> dict | str:
    """ci.yaml with one selection more: its checked settings, or the complaint about them."""
    study = load.load_yaml(Path(__file__).parents[3] / "config/ci.yaml")
    study["selections"]["mine"] = selection
    try:
        return load.check(study, "ci.yaml")["selections"]["mine"]
    except ValueError as error:
        return str(error)


def test_a_study_takes_the_settings_that_the_function_declares():
    assert check(LINE) == {**LINE, "power": 1.0}


@pytest.mark.parametrize(
    "change, complaint",
    [
        (
            {"by": "sp_over_nrom"},
            ".by: 'sp_over_nrom' is not allowed (did you mean 'sp_over_norm'?",
        ),
        (
            {"pwoer": 2.0},
            ": unknown key 'pwoer' (did you mean 'power'? allowed: at_least, by, like",
        ),
        ({"vector": ...}, ": 'vector' is missing"),
        ({"power": 0}, ".power: 0 is less than or equal to the minimum of 0.0 (of the norm)"),
        ({"power": "O.5"}, ".power: 'O.5' is not a number (did you mean 0.5?) (of the norm)"),
        ({"top": 2}, ": needs exactly one of at_least, top, like"),
        ({"sae": "narow"}, ".sae: 'narow' is not defined (did you mean 'narrow'? allowed: narrow"),
        ({"vector": "v3"}, ".vector: 'v3' is not defined (allowed: cp, v2"),
    ],
)
def test_what_the_function_does_not_take_is_one_line(change, complaint):
    line = {key: value for key, value in (LINE | change).items() if value is not ...}
    assert check(line).startswith(f"ci.yaml: selections.mine{complaint}")


def test_names_in_the_settings_are_known_with_the_section_that_defines_them():
    found = SELECTORS["sp_over_norm"].references(LINE)
    assert {(key, reference.section, *names) for key, reference, names in found} == {
        ("sae", "saes", "narrow"),
        ("subject", "subjects", "algebra"),
        ("vector", "vectors", "v2"),
        ("like", "selections", "sp"),
    }
    union = SELECTORS["union"].references({"by": "union", "of": ["sp", "last"]})
    assert [(key, names) for key, _, names in union] == [("of", ["sp", "last"])]
    window = {"by": "random", "like": "sp", "within": {"first": 0, "last": 3}}
    assert [key for key, _, _ in SELECTORS["random"].references(window)] == ["like"]


def test_the_files_that_it_needs_are_loaded_and_layers_selected(tmp_path):
    files = SELECTORS["sp_over_norm"].inputs(LINE, 3)
    assert files == {
        "sp_table": ["specificity/narrow/algebra.tsv"],
        "vector": ["vectors/v2.safetensors"],
        "like": ["selections/sp.json"],
    }
    paths = {key: [str(tmp_path / name) for name in names] for key, names in files.items()}
    for (path,) in paths.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"layer": [0, 1, 2], "sp": [4.0, 6.0, 8.0]})
    table.to_csv(paths["sp_table"][0], sep="\t", index=False)
    unit = np.array([[1.0]], np.float32)
    modules = {f"model.layers.{k}.mlp.up_proj": LowRank(unit, unit, 2.0**k) for k in range(3)}
    TaskVector(modules, "base").save(paths["vector"][0])
    (tmp_path / "selections/sp.json").write_text('{"layers": [1, 2]}')
    given = load_given(LINE | {"power": 2.0}, paths, ["geometry", "algebra"])
    assert selection_record(3, None, given) == {"layers": [0, 1], "scores": [4, 1.5, 0.5]}


def test_of_activation_sums_there_is_a_file_a_layer():
    settings = {"by": "activation_magnitude", "sae": "narrow", "subject": "algebra", "top": 1}
    files = [f"specificity/narrow/activations/layer_{layer}.safetensors" for layer in (0, 1)]
    assert SELECTORS["activation_magnitude"].inputs(settings, 2) == {"activation_sums": files}
