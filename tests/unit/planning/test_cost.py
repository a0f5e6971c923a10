"""What a study costs is known before it runs, within what was measured and what files are known."""

import copy
from pathlib import Path

import pytest

from stethoscope.planning.cost import CPU, GB, MB, Cost, estimate, jobs, requests, sizes
from stethoscope.study.load import check, load_yaml
from stethoscope.study.queries import edit_specs

ROOT = Path(__file__).resolve().parents[3]


def read(name):
    return check(load_yaml(ROOT / f"config/{name}.yaml"), name)


@pytest.fixture(scope="module")
def full():
    return read("full")


@pytest.fixture(scope="module")
def measured(full):
    """The full study with the problems that it had when its jobs were measured."""
    study = copy.deepcopy(full)
    splits = study["data"]["generate"]["splits"]
    splits["validation"], splits["test"] = ({"each": n, "except": {}} for n in (200, 300))
    broader = dict.fromkeys(("algebra", "prealgebra"), 500)
    study["vectors"]["v25"]["problems"] = {"number_theory": 1500, **broader}
    study["vectors"]["v3"]["problems"] = dict.fromkeys(study["subjects"], 450)
    study["searches"]["cp"]["evaluations"] = 160
    return study


@pytest.fixture(scope="module")
def gemma(full):
    """The full study's edits on Gemma-3-4B-IT, with Gemma Scope 2 at 16k and 262k."""
    study = copy.deepcopy(full)
    study["model"] = {"load": {"hub": "google/gemma-3-4b-it", "layers": 34, "hidden": 2560}}
    study["evaluation"] |= {"batch_size": 32, "max_gen_toks": 256}
    study["data"] = {"math": {"validation": {"each": 60}, "probe": {"each": 200}}}
    folder = "resid_post_all/layer_{layer}_width_%s_l0_small"
    study["saes"] = {
        name: {"load": {"hub": "google/gemma-scope-2-4b-it", "folder": folder % width}}
        for name, width in (("narrow", "16k"), ("wide", "262k"))
    }
    return study


# Seconds that jobs of `full` took on one core of the build machine, with 5 s for their libraries.
@pytest.mark.parametrize(
    ("rule", "names", "took"),
    [
        ("pretrain_model", {}, 226.7),
        ("train_saes", {"sae": "narrow"}, 81.8),
        ("train_saes", {"sae": "wide"}, 237.5),
        ("train_adapter", {"vector": "v2"}, 52.2),
        ("train_adapter", {"vector": "v25"}, 92.8),
        ("train_adapter", {"vector": "v3"}, 123.1),
        ("sum_activations", {"sae": "narrow"}, 9.6),
        ("sum_activations", {"sae": "wide"}, 21.2),
        ("search_alphas", {"search": "cp"}, 54.3),
        ("measure_gains", {"vector": "v2", "subject": "number_theory"}, 13.8),
        ("evaluate_edits", {"spec": "cp"}, 23.3),
        ("evaluate_edits", {"spec": "v25_all"}, 20.6),
    ],
)
def test_an_estimate_is_near_what_the_job_took(measured, rule, names, took):
    cost = estimate(measured, rule, names)
    assert cost.seconds == pytest.approx(took, rel=0.25)
    assert cost.gpu == cost.download == 0


def test_the_parameters_are_those_of_the_models(full, gemma):
    assert sizes(full).parameters == pytest.approx(1_643_136, rel=0.01)
    assert sizes(gemma).parameters == pytest.approx(3_880_000_000, rel=0.1)
    gemma = copy.deepcopy(gemma)
    gemma["model"]["load"] |= {"layers": 32, "hidden": 4096}  # Llama-3.1-8B
    assert sizes(gemma).parameters == pytest.approx(8_030_000_000, rel=0.1)


def test_a_download_has_the_size_of_the_published_files(gemma):
    narrow = estimate(gemma, "fetch_sae", {"sae": "narrow"})
    assert narrow.download == pytest.approx(34 * 335_686_016, rel=0.001)
    wide = estimate(gemma, "fetch_sae", {"sae": "wide"})
    assert wide.download == pytest.approx(34 * 5_370_816_904, rel=0.001)
    both = estimate(gemma, "fetch_sae")
    assert both.download == narrow.download + wide.download == both.disk
    assert estimate(gemma, "fetch_model").download == pytest.approx(8.6 * GB, rel=0.15)


def test_llama_scopes_widths_are_multiples_of_the_hidden_size(gemma):
    study = copy.deepcopy(gemma)
    study["model"]["load"] |= {"layers": 32, "hidden": 4096}
    study["saes"]["narrow"]["load"]["folder"] = "Llama3_1-8B-Base-L{layer}R-8x"
    fetched = estimate(study, "fetch_sae", {"sae": "narrow"})
    assert fetched.download == 32 * 2 * 4 * 4096 * 8 * 4096


def test_a_grown_study_asks_for_little_and_a_loaded_one_for_a_gpu(full, gemma):
    small = requests(full, "evaluate_edits", {"spec": "sp"})
    assert small["gpu"] == 0 and small["mem_mb"] <= 2000 and small["runtime"] <= 20
    large = requests(gemma, "evaluate_edits", {"spec": "sp"})
    assert large["gpu"] == 1 and 10_000 <= large["mem_mb"] <= 40_000 and large["runtime"] > 60
    light = requests(gemma, "compare_edits", {})
    assert light["gpu"] == 0 and light["mem_mb"] <= 2000


def test_requests_grow_with_each_attempt(gemma):
    first, second, third = (
        requests(gemma, "train_adapter", {"vector": "v2"}, attempt) for attempt in (1, 2, 3)
    )
    assert first["mem_mb"] < second["mem_mb"] < third["mem_mb"] == 3 * first["mem_mb"]
    assert first["runtime"] < second["runtime"] < third["runtime"] == 3 * first["runtime"]
    assert first["gpu"] == second["gpu"] == 1


def test_requests_hold_what_jobs_of_the_full_study_held(full):
    held = {"pretrain_model": ({}, 2402), "train_saes": ({"sae": "wide"}, 1746)}
    held |= {"train_adapter": ({"vector": "v25"}, 1565), "sum_activations": ({"sae": "wide"}, 1051)}
    held |= {"evaluate_edits": ({"spec": "full"}, 689)}
    for rule, (names, mebibytes) in held.items():
        asked = requests(full, rule, names)["mem_mb"]
        assert 1.1 * mebibytes * 1.048 < asked < 4 * mebibytes, rule


def test_an_edit_costs_by_its_draws_and_alphas(full):
    def answering(family):
        return estimate(full, "evaluate_edits", {"spec": family}).cpu - CPU.start

    # 850 test problems, and 100 of Number Theory on validation for each alpha
    assert answering("sp") / answering("scaled") == pytest.approx(1250 / 950, rel=0.01)
    assert answering("random") / answering("sp") == pytest.approx(55, rel=0.01)
    swept = estimate(full, "evaluate_again", {"again": "sweep", "spec": "full"})
    assert (swept.cpu - CPU.start) / answering("sp") == pytest.approx(6 * 850 / 1250, rel=0.01)


def test_each_job_whose_cost_differs_can_be_estimated(full, gemma):
    for study in (full, gemma):
        listed = jobs(study)
        assert len(listed["build_edits"]) == len(edit_specs(study))
        for rule, wildcards in listed.items():
            for names in wildcards:
                cost = estimate(study, rule, names)
                assert cost.seconds > 0 and cost.memory < 200 * GB
    assert not jobs(full)["fetch_sae"] and not jobs(gemma)["train_saes"]


def test_costs_add_up_but_memory_is_that_of_the_largest_job():
    one = Cost(cpu=1, gpu=2, wait=3, disk=4, download=5, memory=6 * MB)
    two = one + Cost(cpu=10, memory=2 * MB)
    assert two == Cost(cpu=11, gpu=2, wait=3, disk=4, download=5, memory=6 * MB)
    assert one.times(3) == Cost(cpu=3, gpu=6, wait=9, disk=12, download=15, memory=6 * MB)
    assert one.seconds == 5
