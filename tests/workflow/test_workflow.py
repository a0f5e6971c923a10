"""The workflow's files: every study plans, style is kept, and bad input ends in one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import ROOT
from safetensors.numpy import load_file, save_file

from stethoscope.planning.cost import jobs as known_jobs
from stethoscope.planning.plan import jobs_in
from stethoscope.study.load import check, load_yaml

# lab-cpu.yaml is no study of its own: it stands behind lab.yaml and makes it small.
STUDIES = sorted(path.name for path in (ROOT / "config").glob("*.yaml") if "-cpu" not in path.name)


def jobs_of(plan: str) -> dict[str, str]:
    """Number of jobs of each rule in a dry run's table."""
    lines = plan.split("Job stats:")[1].splitlines()
    return dict(line.split() for line in lines if len(line.split()) == 2)


def pins(lines: list[str]) -> dict[str, str]:
    """Version of each package that lines like `Name[extra]==1.2  # why` pin."""
    found = (re.match(r"([\w.-]+)(?:\[.*\])?==([^\s#]+)", line.strip()) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


def errors_in(output: str) -> list[str]:
    """The lines by which the workflow itself says what is wrong."""
    return [line for line in output.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_plans_down_to_the_report(fresh, study):
    plan = fresh("plan").snakemake("-n", "--configfile", f"config/{study}")
    assert jobs_of(plan)["render_report"] == "1"
    checked = check(load_yaml(ROOT / "config" / study), study)
    for rule, wildcards in known_jobs(checked).items():  # the cost model counts the same ones
        assert len(wildcards) * len(checked["seeds"]) == jobs_in(plan).get(rule, 0), rule


def test_the_catalog_entry_point_plans_the_same_jobs(fresh):
    checkout = fresh("shim")
    assert jobs_of(checkout.snakemake("-n", "-s", "workflow/Snakefile")) == jobs_of(
        checkout.snakemake("-n")
    )


@pytest.mark.parametrize("environment", ["cpu", "gpu"])
def test_the_environments_and_the_requirements_have_the_versions_of_the_lock_file(environment):
    lock = pins((ROOT / "requirements.lock").read_text().splitlines())
    packages = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    assert packages[0] == "python=3.11"
    direct = (ROOT / "requirements.txt").read_text().splitlines()
    for wanted in (pins(packages[-1]["pip"]), pins(direct)):
        assert len(wanted) > 10
        assert wanted == {name: lock[name] for name in wanted}


def test_the_container_has_python_and_the_packages_of_the_lock_file():
    lines = (ROOT / "Containerfile").read_text().splitlines()
    assert any(line.startswith("FROM ") and "python:3.11" in line for line in lines)
    assert any("pip install" in line and "-r requirements.lock" in line for line in lines)
    for line in lines:
        if line.startswith("COPY "):
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name


def test_the_workflow_catalog_finds_what_it_wants():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True and "report" in usage
    assert (ROOT / "workflow/Snakefile").exists() and (ROOT / "config/README.md").exists()
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme


def test_the_plan_of_a_study_needs_nothing_but_its_file(fresh):
    checkout = fresh("priced")
    output = checkout.snakemake("plan", "--cores", "1", "--configfile", "config/ci.yaml")
    jobs = jobs_in(checkout.snakemake("-n", "--configfile", "config/ci.yaml"))
    table = output.partition("ci: 1 seed")[2].partition("still to run")[0]
    rows = {line.split("  ")[0]: line.split() for line in table.splitlines()}
    assert rows["total"][1:3] == [str(sum(jobs.values()))] * 2
    assert {"data", "model", "SAEs", "evaluation", "statistics and report"} <= set(rows)
    assert not (checkout.folder / "results").exists()


def test_every_rule_requests_memory_time_and_devices(fresh):
    """Or stays on the machine that submits, as tables over tables do."""
    rules = [
        body
        for path in sorted((ROOT / "rules").glob("*.smk"))
        for body in re.split(r"^ *rule ", path.read_text(), flags=re.M)[1:]
    ]
    assert len(rules) > 30
    for body in rules:
        name = body.partition(":")[0]
        assert ("localrule: True" in body) != (f'**requests("{name}")' in body), name


def test_the_default_profile_decides_nothing_that_a_cluster_profile_does():
    """Of two profiles with the same key the default one would win."""
    default, *others = (
        yaml.safe_load((ROOT / f"profiles/{name}/profile.yaml").read_text())
        for name in ("default", "slurm", "kubernetes")
    )
    for other in others:
        assert other["retries"] > 0
        assert not set(default) & set(other)


def test_the_kubernetes_profile_plans_the_study(fresh):
    """Of Kubernetes nothing more is tested: its jobs need a cluster."""
    checkout = fresh("kubernetes")
    here = ("--default-storage-prefix", str(checkout.folder), "--configfile", "config/ci.yaml")
    plan = checkout.snakemake("-n", "--profile", "profiles/kubernetes", *here)
    assert jobs_of(plan)["render_report"] == "1"


def test_snakemake_lint_is_clean(fresh):
    assert "good condition" in fresh("lint").snakemake("--lint")


@pytest.mark.parametrize(
    "call",
    [
        ["snakefmt", "--check", "Snakefile", "rules", "workflow/Snakefile"],
        ["ruff", "check", "workflow", "tests"],
        ["ruff", "format", "--check", "workflow", "tests"],
    ],
    ids=["snakefmt", "ruff check", "ruff format"],
)
def test_formatting_is_kept(call):
    program = Path(sys.executable).with_name(call[0])
    done = subprocess.run([program, *call[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "epsilon: 0.01",
            "epsilom: 0.01",
            "specificity: unknown key 'epsilom' (did you mean 'epsilon'?",
        ),
        ("alphas: [0.5, 1.0]", "alphas: ['O.5']", "edits.full.alphas.0: 'O.5' is not a number"),
        ("epsilon: 0.01", "epsilon: -1", "specificity.epsilon: -1 is less than"),
        (
            "like: sp,",
            "like: spp,",
            "selections.random.like: 'spp' is not defined (did you mean 'sp'?",
        ),
        ("seeds: [1]", "seeds: [1]\nseeds: [2]", "key 'seeds' stands twice"),
    ],
)
def test_a_wrong_study_is_one_clear_line_before_any_job(fresh, old, new, said):
    checkout = fresh("wrong")
    checkout.edit("config/ci.yaml", old, new)
    output = checkout.run_ci(fails=True)
    assert errors_in(output) == [line for line in output.splitlines() if said in line]
    assert len(errors_in(output)) == 1
    assert not (checkout.folder / "results").exists()


def test_an_edit_whose_keys_match_nothing_fails_with_one_line(scratch):
    vector = scratch.folder / "results/ci/seed-1/vectors/v2.safetensors"
    metadata = _metadata(vector)
    tensors = load_file(vector)
    renamed = {
        key.replace("model.layers", "language_model.model.layers"): t for key, t in tensors.items()
    }
    save_file(renamed, vector, metadata)
    output = scratch.run_ci("results/ci/seed-1/edits/full.json", fails=True)
    assert len(errors_in(output)) == 1
    assert "match no weight of" in errors_in(output)[0]
    assert not (scratch.folder / "results/ci/seed-1/edits/full.json").exists()


def test_an_adapter_of_another_base_fails_with_one_line(scratch):
    weights = scratch.folder / "results/ci/seed-1/adapters/v2/adapter_model.safetensors"
    save_file(load_file(weights), weights, {"base": "0" * 64})
    target = "results/ci/seed-1/vectors/v2.safetensors"
    output = scratch.run_ci("--force", target, fails=True)
    assert len(errors_in(output)) == 1
    assert "made for another base" in errors_in(output)[0]
    assert not (scratch.folder / target).exists()


def _metadata(path: Path) -> dict[str, str]:
    header = path.read_bytes()
    size = int.from_bytes(header[:8], "little")
    return json.loads(header[8 : 8 + size])["__metadata__"]
