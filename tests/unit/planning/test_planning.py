"""A plan has every job once, and says what is left to pay."""

import pytest
from test_cost import read

from stethoscope.planning.cost import estimate
from stethoscope.planning.plan import STAGES, jobs_in, measured_hours, plan, stage_of, to_text

DRY_RUN = """Building DAG of jobs...
Job stats:
job                count
---------------  -------
pretrain_model             2
evaluate_edits         4
render_report          1
all                    1
total                  8

[Fri Nov 20 20:27:09 2026]
Job 5: pretrain the base model
"""


def test_the_jobs_are_read_from_the_table_of_a_dry_run():
    assert jobs_in(DRY_RUN) == {"pretrain_model": 2, "evaluate_edits": 4, "render_report": 1}
    assert jobs_in("Building DAG of jobs...\nNothing to be done.\n") == {}


def test_measured_hours_are_summed_over_the_jobs_of_a_rule(tmp_path):
    for name, seconds in (("train/seed-1_a.tsv", 1800), ("train/b.tsv", 900), ("one.tsv", 36)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:0:0\t1\n")
    assert measured_hours(tmp_path) == {"one": 0.01, "train": 0.75}
    assert measured_hours(tmp_path / "absent") == {}


def test_each_stage_has_the_cost_of_its_jobs_and_of_those_left():
    study = read("demo")
    counts = {"pretrain_model": 2, "train_adapter": 2, "extract_task_vector": 2, "render_report": 1}
    lines = plan(study, counts, {"train_adapter": 1, "render_report": 1}, {"pretrain_model": 0.1})
    assert [(line.stage, line.jobs, line.left) for line in lines] == [
        ("model", 2, 0),
        ("task vectors", 4, 1),
        ("statistics and report", 1, 1),
    ]
    grown, vectors, _ = lines
    assert grown.cost.cpu == pytest.approx(2 * estimate(study, "pretrain_model").cpu)
    assert grown.cost_left.cpu == 0 and grown.measured == 0.1
    trained = estimate(study, "train_adapter", {"vector": "v2"}).cpu
    assert vectors.cost_left.cpu == pytest.approx(trained)
    assert vectors.measured is None


def test_the_text_sums_its_rows():
    study = read("demo")
    counts = {"pretrain_model": 1, "train_adapter": 1, "render_report": 3}
    rows = to_text(study, plan(study, counts, {})).splitlines()
    assert rows[0].startswith("demo: ")
    total = next(row for row in rows if row.startswith("total")).split()
    assert total[1:3] == ["5", "0"]
    hours = [float(row.split()[-4]) for row in rows[2:5]]
    assert float(total[-4]) == pytest.approx(sum(hours), abs=0.02)
    assert "still to run: 0.00 GPU h, 0.00 CPU h" in rows[-2]


def test_a_rule_that_nobody_listed_is_in_the_last_stage():
    assert stage_of("fetch_model") == "fetch"
    assert stage_of("something_new") == list(STAGES)[-1]
