"""The smallest study, with two edits, from nothing to its report through a real Slurm.

Its queue, a job that is cancelled, a GPU that is asked for, and the bytes of a local run.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest
from checkout import ROOT
from slurm import Slurm, missing, run_ci, shorten

from stethoscope.planning.plan import jobs_in
from stethoscope.runtime.files import sha256_file

KILLED = "pretrain_model"  # the rule whose first job is cancelled
# What depends on the edits that the study has; the rest is the same with two of them.
OTHERS = ("statistics", "report", "benchmarks")


@pytest.fixture(scope="module")
def ran(fresh, tmp_path_factory):
    """A checkout in which the study has run, and the jobs that Slurm has seen."""
    if missing():
        pytest.skip(f"no Slurm here ({', '.join(missing())}); tests/workflow/slurm.sh install")
    checkout = fresh("cluster")
    shorten(checkout)
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        run_ci(slurm, checkout, kill=KILLED)
        yield checkout, slurm.jobs()
    finally:
        slurm.stop()


@pytest.fixture(scope="module")
def queue(ran):
    return ran[1]


def test_every_job_went_through_the_queue_but_tables_over_tables(ran):
    checkout, queue = ran
    assert (checkout.folder / "results/ci/report/index.html").exists()
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    local = {
        body.partition(":")[0]
        for body in re.split(r"^rule ", rules, flags=re.M)[1:]
        if "localrule: True" in body
    }
    planned = jobs_in(checkout.run_ci("-n", "--forceall"))
    remote = {rule: count for rule, count in planned.items() if rule not in local}
    assert local & set(planned) and len(remote) > 12
    done = Counter(job.rule for job in queue if job.state == "COMPLETED")
    assert done == remote


def test_a_cancelled_job_was_tried_again_and_asked_for_more(queue):
    first, second = [job for job in queue if job.rule == KILLED]
    assert (first.state, second.state) == ("CANCELLED", "COMPLETED")
    assert second.mem == 2 * first.mem
    assert {job.state for job in queue if job.rule != KILLED} == {"COMPLETED"}


def test_a_job_that_asks_for_a_gpu_gets_one_from_slurm(queue):
    asked = Counter(job.gpus for job in queue if job.rule == "train_adapter")
    assert asked == {1: 1}
    assert {job.gpus for job in queue if job.rule != "train_adapter"} == {0}


def test_the_results_are_the_bytes_of_a_local_run(ran, finished):
    here, there = (checkout.folder / "results/ci" for checkout in (ran[0], finished))
    compared = 0
    for path in here.rglob("*"):
        place = path.relative_to(here)
        if path.is_file() and place.parts[0] not in OTHERS:
            assert sha256_file(path) == sha256_file(there / place), place
            compared += 1
    assert compared > 60
