"""An edit spec becomes a folder for each of its draws at each alpha, each told by fields."""

import json

import numpy as np
import pandas as pd
import pytest

from stethoscope.edits.build import build_edits
from stethoscope.edits.files import read_edit
from stethoscope.edits.spec import EditSpec
from stethoscope.names import EditId, edit_folder
from stethoscope.runtime.files import write_json
from stethoscope.task_vectors.task_vector import layer_of, scaled


@pytest.fixture
def files(vector, tmp_path):
    """A task vector, and a selection with two draws."""
    vector.save(tmp_path / "v2.safetensors")
    write_json(tmp_path / "random.json", {"draws": [{"layers": [0]}, {"layers": [1, 2]}]})
    return {"vectors": [tmp_path / "v2.safetensors"], "selection": tmp_path / "random.json"}


def test_each_draw_is_built_in_its_own_layers_at_each_alpha(tiny, vector, files, tmp_path):
    edits = [EditId("random", draw, alpha) for draw in (1, 2) for alpha in (0.5, 2.0)]
    spec, lines = EditSpec({"v2": 1.0}, selection="random"), []
    written = build_edits(edits, spec, tiny.folder, files, tmp_path / "edits", lines.append)
    assert [EditId.of(record) for record in written.values()] == edits and len(lines) == 4
    for edit in edits:
        folder = tmp_path / "edits" / edit_folder(edit)
        layers = {1: [0], 2: [1, 2]}[edit.draw]
        expected, built = scaled(vector.in_layers(layers), edit.alpha), read_edit(folder)
        assert set(built.modules) == set(expected.modules)
        for name, delta in expected.modules.items():
            np.testing.assert_array_equal(built.modules[name].dense(), delta.dense())
        description = json.loads((folder / "edit.json").read_text())
        assert (description["layers"], description["alpha"]) == (layers, edit.alpha)
        energies = pd.read_csv(folder / "energy.tsv", sep="\t")["energy_edit"]
        assert energies.sum() == pytest.approx(expected.energy())


def test_draws_of_a_merge_and_of_a_search_share_the_layers(tiny, vector, files, tmp_path):
    write_json(files["selection"], {"layers": [0, 1, 2]})
    edits = [EditId("a", draw, 1.0) for draw in (1, 2)]
    merging = {"drop": 0.5, "seed": 3, "draws": 2}
    spec = EditSpec({"v2": 1.0}, "dare", "all", merging=merging)
    build_edits(edits, spec, tiny.folder, files, tmp_path / "dare", print)
    first, second = (read_edit(tmp_path / "dare" / edit_folder(edit)) for edit in edits)
    assert first.shapes() == second.shapes() == vector.shapes()
    assert first.energy() != second.energy()
    description = json.loads((tmp_path / "dare/a-2/alpha-1.0/edit.json").read_text())
    assert description["merging"] == {"drop": 0.5, "seed": 3, "draw": 2}

    files["search"] = tmp_path / "best.json"
    write_json(files["search"], {"kept": [{"alphas": [0.0, 1.0, 2.0]}, {"alphas": [1.0] * 3}]})
    spec = EditSpec({"v2": 1.0}, selection="all", search="nt")
    build_edits(edits, spec, tiny.folder, files, tmp_path / "cma", print)
    built = read_edit(tmp_path / "cma" / edit_folder(edits[0]))
    for name, delta in vector.modules.items():
        expected = delta.scaled(layer_of(name)).dense()
        np.testing.assert_array_equal(built.modules[name].dense(), expected)


def test_the_base_is_the_empty_edit_and_a_missing_layer_is_named(tiny, vector, files, tmp_path):
    base = EditId("base", None, 0.0)
    written = build_edits([base], EditSpec({}), tiny.folder, {}, tmp_path / "edits", print)
    assert list(written) == ["base/alpha-0.0"]
    assert read_edit(tmp_path / "edits/base/alpha-0.0").modules == {}
    write_json(files["selection"], {"layers": [1, 7]})
    spec = EditSpec({"v2": 1.0}, selection="sp")
    with pytest.raises(ValueError, match="v2.safetensors: holds nothing for layer 7"):
        build_edits([EditId("sp", None, 1.0)], spec, tiny.folder, files, tmp_path, print)
