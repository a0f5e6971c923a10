"""A study on weights and problems that are there already: fetched, checked, and then like any."""

from __future__ import annotations

import copy
import json

import pandas as pd
import pytest
import yaml
from standin import FEATURES, LAYERS, firing_rates, make_sources

from stethoscope.runtime.files import folder_digests
from stethoscope.study.load import load_yaml

SEED = "results/standin/seed-1"


@pytest.fixture(scope="module")
def standin(fresh):
    """A checkout with sources and a study on them, nothing run."""
    checkout = fresh("standin")
    sources = checkout.folder / "sources"
    study = load_yaml(checkout.folder / "config/ci.yaml") | make_sources(sources)
    study["study"]["name"] = "standin"
    study["vectors"] = {name: vector | {"problems": {"number_theory": 20}} for name, vector in
                        study["vectors"].items()}  # fmt: skip
    checkout.study = study
    return checkout


def run(checkout, *arguments, fails=False, **sections) -> str:
    study = copy.deepcopy(checkout.study) | sections
    (checkout.folder / "study.yaml").write_text(yaml.safe_dump(study), "utf-8")
    config = ("--cores", "1", "--configfile", "study.yaml")
    return checkout.snakemake(*arguments, *config, fails=fails)


def test_the_plan_fetches_what_the_study_loads_and_grows_nothing(standin):
    output = run(standin, "-n")
    jobs = dict(line.split() for line in output.splitlines() if len(line.split()) == 2)
    assert jobs["fetch_model"] == jobs["fetch_math"] == jobs["measure_saes"] == "1"
    assert jobs["fetch_sae"] == str(LAYERS)
    assert not {"pretrain_model", "generate_data", "train_saes"} & set(jobs)


def test_what_is_fetched_is_linked_and_read_by_the_stages_that_follow(standin):
    scored = f"{SEED}/specificity/narrow/number_theory.tsv"
    run(standin, scored, f"{SEED}/saes/narrow/quality.tsv", f"{SEED}/vectors/v2.safetensors")
    folder = standin.folder
    model = folder / SEED / "model"
    assert not (model / "README.md").exists()
    for path in [*model.glob("*.safetensors"), model / "tokenizer.json"]:
        assert path.samefile(folder / "sources/model" / path.name)
    assert json.loads((model / "manifest.json").read_text())["files"] == folder_digests(model)
    sae = folder / SEED / "saes/narrow/layer_2"
    files = {path.name for path in sae.iterdir()}
    assert files == {"config.json", "params.safetensors", "manifest.json"}
    quality = pd.read_csv(folder / SEED / "saes/narrow/quality.tsv", sep="\t")
    assert quality["layer"].tolist() == list(range(LAYERS))
    for found, rate in zip(quality["l0"], firing_rates(LAYERS), strict=True):
        share = found / (FEATURES * rate)
        assert 1 / 3 < share < 3  # on other problems than the rates were set on
    assert len(pd.read_csv(folder / scored, sep="\t")) == LAYERS
    sizes = {
        split: len((folder / f"results/standin/data/{split}.jsonl").read_bytes().splitlines())
        for split in ("train", "validation", "probe", "test")
    }
    assert sizes == {"train": 7 * 20, "validation": 7 * 6, "probe": 7 * 4, "test": 7 * 4}
    assert "Nothing to be done" in run(standin, scored)


@pytest.mark.parametrize(
    "section, change, message",
    [
        ("model", {"files": {"config.json": "0" * 64}}, "config.json: sha256 is"),
        ("model", {"layers": 5}, "num_hidden_layers is 4, model.load.layers says 5"),
        ("model", {"path": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_another_model_than_the_study_says_leaves_one_line_and_nothing_behind(
    standin, section, change, message
):
    study = {"study": standin.study["study"] | {"name": "wrong"}}
    study[section] = {"load": standin.study[section]["load"] | change}
    target = "results/wrong/seed-1/model/manifest.json"
    output = run(standin, target, fails=True, **study)
    lines = [line for line in output.splitlines() if line.startswith("error: fetch_model")]
    assert len(lines) == 1 and message in lines[0]
    assert not list((standin.folder / "results/wrong/seed-1").glob("*"))


def test_other_problems_than_the_study_says_are_named_with_their_digest(standin):
    digest = standin.study["data"]["math"]["sha256"]
    data = {"math": standin.study["data"]["math"] | {"sha256": "0" * 64}}
    name = {"study": standin.study["study"] | {"name": "wrong"}}
    output = run(standin, "results/wrong/data/train.jsonl", fails=True, data=data, **name)
    assert f"(210 train, 28 test) is {digest}, data.math.sha256 expects 0000" in output


def test_an_sae_of_another_layer_is_refused(standin):
    load = standin.study["saes"]["narrow"]["load"]
    (standin.folder / "sources/swapped").symlink_to(
        standin.folder / "sources/saes/resid_post_all/layer_1_width_16k_l0_small"
    )
    saes = {"narrow": {"load": load | {"path": "sources", "folder": "swapped{layer}"}}}
    (standin.folder / "sources/swapped0").symlink_to("swapped")
    name = {"study": standin.study["study"] | {"name": "wrong"}}
    target = "results/wrong/seed-1/saes/narrow/layer_0/manifest.json"
    output = run(standin, target, fails=True, saes=saes, **name)
    assert "hf_hook_point_in is 'model.layers.1.output', expected 'model.layers.0.output'" in output
    assert not (standin.folder / "results/wrong/seed-1/saes/narrow/layer_0").exists()
