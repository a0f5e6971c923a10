"""What reruns after a change: content decides, and only what depends on it."""

from __future__ import annotations

import os

import pytest

from stethoscope.planning.plan import jobs_in
from stethoscope.runtime.code_digest import code_digest

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
    ("module", "users"),
    [
        ("models/training", {"grow_model", "train_adapter", "measure_gains", "search_alphas"}),
        ("models/loss", {"measure_gains", "search_alphas"}),
        ("statistics/correlations", {"correlate_search"}),
        (
            "specificity/scores",
            {"train_saes", "measure_saes", "sum_activations", "sum_control_activations"}
            | {"score_specificity", "examine_specificity", "select_layers", "build_edits"},
        ),
        ("runtime/fetch", {"fetch_model", "fetch_sae", "fetch_math"}),
        ("problems/math_data", {"fetch_math"}),
        (
            "saes/formats",
            {"train_saes", "measure_saes", "sum_activations", "sum_control_activations"}
            | {"fetch_sae", "build_edits"},
        ),
        (
            "models/parameter_names",
            {"extract_task_vector", "build_edits", "evaluate_edits", "evaluate_again"}
            | {"select_layers", "measure_gains", "measure_interference", "summarize_energy"}
            | {"search_alphas", "export_checkpoints"},
        ),
        ("saes/control_encoders", {"sum_control_activations"}),
        ("planning/cost", {"plan"}),
        ("planning/plan", {"plan"}),
        ("specificity/robustness", {"examine_specificity"}),
        ("statistics/selectors", {"summarize_selections"}),
        ("edits/merging", {"build_edits", "measure_interference"}),
        ("statistics/summaries/merging", {"summarize_results"}),
        ("published/checks/layers", {"audit_published"}),
        (
            "statistics/paired",
            {"evaluate_edits", "evaluate_again", "compare_edits", "correct_comparisons"}
            | {"compare_sweeps", "measure_noise"},
        ),
        (
            "evaluation/answers",
            {"compare_edits", "correct_comparisons", "compare_sweeps", "measure_noise"}
            | {"compare_protocols"},
        ),
        ("statistics/protocols", {"compare_protocols"}),
        ("runtime/resume", {"grow_model", "train_adapter", "measure_gains", "search_alphas"}),
        ("evaluation/vllm", {"evaluate_edits", "evaluate_again"}),
        ("statistics/multiplicity", {"correct_comparisons"}),
        ("statistics/sweeps", {"compare_sweeps", "measure_noise"}),
        ("statistics/resampling", {"correct_comparisons", "compare_sweeps", "measure_noise"}),
        (
            "statistics/tests",
            {"evaluate_edits", "evaluate_again", "compare_edits", "draw_figures"}
            | {"correct_comparisons", "compare_sweeps", "measure_noise"}
            | {"audit_published"},
        ),
        (
            "edits/projection",
            {"build_edits", "evaluate_edits", "evaluate_again", "summarize_energy"}
            | {"select_layers", "measure_gains", "search_alphas", "export_checkpoints"},
        ),
        ("edits/checkpoint", {"export_checkpoints"}),
    ],
)
def test_editing_a_library_module_changes_the_digest_of_exactly_its_users(fresh, module, users):
    scripts = fresh("digests").folder / "workflow/scripts"

    def digests():
        return {
            path.stem: code_digest(path, scripts / "stethoscope") for path in scripts.glob("*.py")
        }

    before = digests()
    path = scripts / f"stethoscope/{module}.py"
    path.write_text(path.read_text("utf-8") + "\n# edited\n", "utf-8")
    after = digests()
    assert {rule for rule in before if before[rule] != after[rule]} == users


@pytest.mark.parametrize(
    ("module", "users"),
    [
        ("problems/synthetic/corpus", {"generate_data"}),
        ("saes/train", {"train_saes"}),
        ("selection/selectors", {"select_layers"}),
        ("edits/bases", {"build_edits"}),
        ("published/recompute", {"audit_published"}),
        ("selection/loss_gains", {"measure_gains"}),
        ("selection/cma_search", {"search_alphas"}),
        (
            "evaluation/evaluation",
            {"evaluate_edits", "evaluate_again", "measure_gains", "search_alphas"},
        ),
        ("report/figures/figures", {"draw_figures"}),
        ("report/figures/drawing", {"draw_figures"}),
        ("report/render", {"render_report"}),
        ("report/layout", {"render_report"}),
        ("statistics/multiplicity", {"correct_comparisons"}),
    ],
)
def test_editing_a_library_module_reruns_exactly_the_rules_that_use_it(scratch, module, users):
    path = scratch.folder / f"workflow/scripts/stethoscope/{module}.py"
    path.write_text(path.read_text("utf-8") + "\n# edited\n", "utf-8")
    assert scratch.would_rerun()[PARAMS] == users


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
    downstream = {"summarize_stability", "draw_figures", "render_report"}
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
    downstream = {"describe_study", "draw_figures", "render_report"}
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
    assert not {"grow_model", "train_saes", "train_adapter", "sum_activations"} & set(jobs)


def test_another_alpha_of_ours_asks_none_of_the_edits_that_took_over_its_answers(scratch):
    ours = "vectors: {v2: 1.0}, selection: sp, alphas: [1.0]}"
    scratch.edit("config/ci.yaml", ours, ours.replace("[1.0]", "[0.5, 1.0]"))
    jobs = jobs_in(scratch.run_ci("-n"))
    assert jobs["build_edits"] == jobs["evaluate_edits"] == 1
