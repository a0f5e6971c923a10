"""The paper's own study from fetch to report, on a stand-in for weights and problems.

The configuration is config/gemma-3-4b-it.yaml itself; a second one on top of it gives paths and
sizes. What a random model of width 32 answers means nothing; that every stage reads, computes and
prints it does.
"""

from __future__ import annotations

import json
import os

import pandas as pd
import pytest
import yaml
from standin import make_math, make_model, make_saes

from stethoscope.planning.plan import jobs_in
from stethoscope.problems.records import MATH
from stethoscope.study.load import load_yaml

CONFIG = "config/gemma-3-4b-it.yaml"
STUDY = "results/gemma-3-4b-it"
SEED = f"{STUDY}/seed-1"
HIDDEN = 32


def smaller(study: dict, sha256: str) -> dict:
    """What stands on top of the paper's study: paths, the digest of the problems, and sizes."""
    vectors = {
        name: {
            "problems": {"value": dict.fromkeys(vector["problems"]["value"], 12)},
            "lora": {"epochs": 2},
        }
        for name, vector in study["vectors"].items()
    }
    drawn = {
        name: {"draws": 2}
        for name, selection in study["selections"].items()
        if "draws" in selection
    }
    searched = {"problems": {"value": 2}, "evaluations": {"value": 14}}
    return {
        "device": "cpu",
        "model": {"load": {"path": "sources/model", "hidden": HIDDEN}},
        "data": {
            "math": {
                "path": "sources/MATH",
                "sha256": sha256,
                "validation": {"value": {"each": 3}},
                "probe": {"value": {"each": 12}},
            }
        },
        "saes": {name: {"load": {"path": "sources/saes"}} for name in study["saes"]},
        "vectors": vectors,
        "specificity": {"stability": {"resamples": 20, "splits": 2}},
        "selections": drawn,
        "searches": dict.fromkeys(study["searches"], searched),
        "evaluation": {
            "max_gen_toks": {"value": 8},
            "protocols": {"long": {"max_gen_toks": 24}, "chat": {"max_gen_toks": 24}},
        },
        "statistics": {"sign_flip": {"flips": 1000}, "bootstrap": {"draws": 1000}},
    }


@pytest.fixture(scope="module")
def ran(fresh):
    """A checkout in which the paper's study has run on the stand-in, and what the run printed."""
    if "PAPER_STUDY_ON_STANDIN" not in os.environ:
        pytest.skip("half an hour and more; asked for by PAPER_STUDY_ON_STANDIN=1")
    checkout = fresh("paper")
    study, sources = load_yaml(checkout.folder / CONFIG), checkout.folder / "sources"
    problems, model = sources / "MATH", sources / "model"
    digest = make_math(problems, train=30, test=2)
    # Four examples of minerva_math are some 1,500 tokens of so small a vocabulary.
    layers = study["model"]["load"]["layers"]
    make_model(model, problems, layers, HIDDEN, positions=4096)
    for sae, features in zip(study["saes"].values(), (96, 96, 192), strict=True):
        folder = sae["load"]["folder"]
        folder = folder["value"] if isinstance(folder, dict) else folder
        make_saes(sources / "saes", model, problems, folder, features)
    overlay = checkout.folder / "smaller.yaml"
    overlay.write_text(yaml.safe_dump(smaller(study, digest)), "utf-8")
    return checkout, checkout.snakemake("--cores", "2", "--configfile", CONFIG, "smaller.yaml")


def test_every_job_of_the_papers_plan_ran(ran, fresh):
    checkout, output = ran
    plan = checkout.snakemake("-n", "--configfile", CONFIG, "smaller.yaml", "--forceall")
    paper = fresh("untouched").snakemake("-n", "--configfile", CONFIG)

    ours, theirs = jobs_in(plan), jobs_in(paper)
    assert ours == theirs
    total = sum(ours.values()) + 1  # the target `all` itself
    assert f"{total} of {total} steps (100%) done" in output


def test_the_layers_are_those_that_the_paper_takes_by_specificity(ran):
    folder = ran[0].folder / SEED
    scores = pd.read_csv(folder / "specificity/narrow/number_theory.tsv", sep="\t")
    layers = json.loads((folder / "selections/sp4.json").read_text())["layers"]
    assert layers == scores.loc[scores["sp"] >= 4, "layer"].tolist()
    assert 0 < len(layers) < len(scores) == 34


def test_the_report_has_every_table_and_figure_and_the_answers_of_every_edit(ran):
    checkout, _ = ran
    report = checkout.folder / STUDY / "report"
    tables = {path.stem for path in (report / "tables").glob("table*.tsv")}
    figures = {path.stem for path in (report / "figures").glob("figure*.svg")}
    assert tables >= {f"table{number}" for number in range(1, 7)}
    assert figures >= {f"figure{number}" for number in range(1, 10)}
    page = (report / "index.html").read_text("utf-8")
    assert "Gemma-3-4B-IT with Gemma Scope 2" in page
    accuracy = pd.read_csv(checkout.folder / STUDY / "statistics/accuracy.tsv", sep="\t")
    evaluated = {
        name
        for name, edit in load_yaml(checkout.folder / CONFIG)["edits"].items()
        if edit.get("evaluate", True)
    }
    assert {edit.partition("-")[0] for edit in accuracy["edit"]} == {*evaluated, "base"}
    assert set(accuracy["subject"]) >= set(MATH) and set(accuracy["n"]) >= {2}


def test_answers_are_shown_under_all_three_protocols(ran):
    protocols = pd.read_csv(ran[0].folder / STUDY / "statistics/protocols.tsv", sep="\t")
    assert set(protocols["protocol"]) == {"main", "long", "chat"}
