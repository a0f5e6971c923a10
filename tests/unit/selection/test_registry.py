"""A selector is one function: its settings, its files and its selection follow from it.

`by_sp_over_norm` is the example of docs/selectors.md.
"""

from typing import Annotated

import numpy as np
import pandas as pd
import pytest
from pydantic import Field, ValidationError

from stethoscope.selection.needs import Vector
from stethoscope.selection.registry import SELECTORS, selector
from stethoscope.selection.select import load_given, selection_record
from stethoscope.task_vectors.energies import layer_energies
from stethoscope.task_vectors.task_vector import LowRank, TaskVector

LINE = {"by": "sp_over_norm", "sae": "narrow", "subject": "algebra", "vector": "v2", "like": "sp"}


@pytest.fixture(autouse=True)
def sp_over_norm():
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

    yield
    del SELECTORS["sp_over_norm"]


def test_settings_follow_from_the_function():
    checked = SELECTORS["sp_over_norm"].settings.model_validate(LINE)
    assert checked.model_dump(exclude_none=True) == {**LINE, "power": 1.0}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"pwoer": 2.0}, "pwoer\n  Extra inputs are not permitted"),
        ({"sae": None}, "sae\n  Input should be a valid string"),
        ({"power": 0}, "power\n  Input should be greater than 0"),
        ({"power": "1"}, "power\n  Input should be a valid number"),
        ({"top": 2}, "needs exactly one of at_least, top, like"),
        ({"like": None}, "needs exactly one of at_least, top, like"),
        ({"like": None, "at_least": 1, "lowest": True}, "lowest goes with top or like"),
    ],
)
def test_settings_that_the_function_does_not_take_are_refused(change, message):
    with pytest.raises(ValidationError) as error:
        SELECTORS["sp_over_norm"].settings.model_validate(LINE | change)
    assert message in str(error.value)


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


def test_every_layers_sums_and_the_place_of_the_subject_are_given_where_they_are_needed():
    settings = {"by": "activation_magnitude", "sae": "narrow", "subject": "algebra", "top": 1}
    assert SELECTORS["activation_magnitude"].inputs(settings, 2) == {
        "activation_sums": [
            "specificity/narrow/activations/layer_0.safetensors",
            "specificity/narrow/activations/layer_1.safetensors",
        ]
    }
