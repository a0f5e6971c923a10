"""What reruns after a change: content decides, and only what depends on it."""

from __future__ import annotations

import os

import pytest
from imports import users_by_module

from stethoscope.planning.plan import jobs_in

PARAMS = "params have changed since last execution"


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run_ci()


def test_touching_every_file_of_the_workflow_reruns_nothing(scratch):
    for part in ("Snakefile", "rules", "workflow", "config", "envs", "profiles", "report"):
        path = scratch.folder / part
        for file in [path] if path.is_file() else path.rglob("*"):
            os.utime(file)
    assert "Nothing to be done" in scratch.run_ci()


@pytest.mark.parametrize(
    "module", ["problems/synthetic/corpus", "saes/control_encoders", "statistics/paired"]
)
def test_editing_a_library_module_reruns_exactly_the_rules_that_use_it(scratch, module):
    scripts = scratch.folder / "workflow/scripts"
    path = scripts / f"stethoscope/{module}.py"
    users = users_by_module(scripts)[path]
    path.write_text(path.read_text("utf-8") + "\n# edited\n", "utf-8")
    assert users and scratch.would_rerun()[PARAMS] == users


def test_editing_a_script_reruns_exactly_its_rule(scratch):
    path = scratch.folder / "workflow/scripts/compare_edits.py"
    path.write_text(path.read_text("utf-8") + "\n# edited\n", "utf-8")
    assert scratch.would_rerun()[PARAMS] == {"compare_edits"}


def test_editing_the_template_reruns_only_the_report(scratch):
    scratch.edit("report/report.html.j2", "</body>", "<p>Edited.</p></body>")
    reasons = scratch.would_rerun()
    assert set().union(*reasons.values()) == {"render_report"}
    scratch.run_ci()
    assert "Edited." in (scratch.folder / "results/ci/report/index.html").read_text("utf-8")


def test_examining_sp_more_closely_scores_selects_and_edits_nothing_anew(scratch):
    scratch.edit("config/ci.yaml", "resamples: 40", "resamples: 50")
    reasons = scratch.would_rerun()
    assert reasons[PARAMS] == {"examine_specificity", "describe_study"}
    downstream = {"summarize_stability", "summarize_results", "draw_figures", "render_report"}
    assert set().union(*reasons.values()) == reasons[PARAMS] | downstream


def test_reading_the_test_problems_again_makes_no_edit_and_no_result_anew(scratch):
    scratch.edit(
        "config/ci.yaml",
        "selection: sp, alphas: [1.0]}",
        "selection: sp, alphas: [1.0], sweep: true}",
    )
    scratch.edit("config/ci.yaml", "edits: [base]", "edits: [base, sp]")
    jobs = jobs_in(scratch.run_ci("-n"))
    assert jobs["evaluate_again"] == 2  # the sweep and the noise of sp
    assert not {"build_edits", "evaluate_edits", "compare_edits"} & set(jobs)


def test_another_name_for_an_edit_reruns_only_what_prints_it(scratch):
    scratch.edit("config/ci.yaml", "label: SP-selected layers", "label: Layers by SP")
    reasons = scratch.would_rerun()
    assert reasons[PARAMS] == {"describe_study"}
    downstream = {"describe_study", "summarize_results", "draw_figures", "render_report"}
    assert set().union(*reasons.values()) == downstream


def test_adding_an_edit_runs_only_that_edit_and_what_sums_up(scratch):
    scratch.edit(
        "config/ci.yaml",
        "evaluation:",
        "  sp_half: {label: Half, role: other, vectors: {v2: 1}, selection: sp, alphas: [0.5]}\n"
        "evaluation:",
    )
    jobs = jobs_in(scratch.run_ci("-n"))
    assert jobs["build_edits"] == jobs["evaluate_edits"] == 1
    assert not {"pretrain_model", "train_saes", "train_adapter", "sum_activations"} & set(jobs)


def test_another_alpha_of_ours_evaluates_no_edit_that_reused_its_answers(scratch):
    ours = "vectors: {v2: 1.0}, selection: sp, alphas: [1.0]}"
    scratch.edit("config/ci.yaml", ours, ours.replace("[1.0]", "[0.5, 1.0]"))
    jobs = jobs_in(scratch.run_ci("-n"))
    assert jobs["build_edits"] == jobs["evaluate_edits"] == 1
