"""The smallest study through a real Slurm: its queue, a cancelled job, and a GPU asked for."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from checkout import ROOT
from slurm import KILLED, missing

from stethoscope.planning import jobs_in


@pytest.fixture(scope="module")
def queue(slurm, again):
    """The jobs that Slurm has seen when the study is done."""
    if slurm is None:
        pytest.skip(f"no Slurm here ({', '.join(missing())}); tests/workflow/slurm.sh install")
    return slurm.jobs()


def test_every_job_went_through_the_queue_but_tables_over_tables(queue, again):
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    local = {
        body.partition(":")[0]
        for body in re.split(r"^rule ", rules, flags=re.M)[1:]
        if "localrule: True" in body
    }
    planned = jobs_in(again.run_ci("-n", "--forceall"))
    remote = {rule: count for rule, count in planned.items() if rule not in local}
    assert local & set(planned) and len(remote) > 15
    done = Counter(job.rule for job in queue if job.state == "COMPLETED")
    assert done == remote


def test_a_cancelled_job_was_tried_again_and_asked_for_more(queue):
    first, second = [job for job in queue if job.rule == KILLED]
    assert (first.state, second.state) == ("CANCELLED", "COMPLETED")
    assert second.mem == 2 * first.mem
    assert {job.state for job in queue if job.rule != KILLED} == {"COMPLETED"}


def test_a_job_that_asks_for_a_gpu_gets_one_from_slurm(queue):
    asked = Counter(job.gpus for job in queue if job.rule == "train_adapter")
    assert asked == {1: 2}
    assert {job.gpus for job in queue if job.rule != "train_adapter"} == {0}
