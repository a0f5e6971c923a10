"""Two jobs on one machine never have the same GPU. The devices here are names; none is needed."""

import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from stethoscope.runtime import devices
from stethoscope.runtime.devices import candidates, one_device


def no_devices():
    return []


def test_the_visible_devices_are_those_of_the_environment_in_its_order():
    assert candidates({"CUDA_VISIBLE_DEVICES": "3, 1"}, lambda: ["0", "1"]) == ["3", "1"]
    assert candidates({"CUDA_VISIBLE_DEVICES": "MIG-a/b"}, no_devices) == ["MIG-a/b"]
    assert candidates({"CUDA_VISIBLE_DEVICES": ""}, lambda: ["0"]) == []
    assert candidates({}, lambda: ["0", "1"]) == ["0", "1"]


def test_jobs_at_the_same_time_have_different_devices(tmp_path):
    with ExitStack() as jobs:
        got = [
            jobs.enter_context(one_device({}, lambda: ["0", "1", "2"], tmp_path)) for _ in range(3)
        ]
    assert got == ["0", "1", "2"]


def test_a_job_without_a_free_device_waits_until_one_is(tmp_path):
    got = []

    def wait():
        with one_device({}, lambda: ["0"], tmp_path, patience=0.01) as device:
            got.append(device)

    with one_device({}, lambda: ["0"], tmp_path):
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(timeout=0.2)
        assert waiting.is_alive() and not got
    waiting.join(timeout=5)
    assert got == ["0"]


def test_a_killed_job_lets_go_of_its_device(tmp_path):
    code = (
        "import sys, time; from stethoscope.runtime.devices import one_device\n"
        "with one_device({'CUDA_VISIBLE_DEVICES': '7'}, list, sys.argv[1]) as device:\n"
        "    print(device, flush=True); time.sleep(60)"
    )
    call = [sys.executable, "-c", code, str(tmp_path)]
    library = {"PYTHONPATH": str(Path(devices.__file__).parents[2])}
    job = subprocess.Popen(call, stdout=subprocess.PIPE, text=True, env=library)
    assert job.stdout.readline() == "7\n"
    job.kill()
    job.wait()
    with one_device({"CUDA_VISIBLE_DEVICES": "7"}, no_devices, tmp_path) as device:
        assert device == "7"


@pytest.mark.parametrize("given", ["SLURM_JOB_GPUS", "LOCAL_RANK"])
def test_devices_that_were_shared_out_already_are_left_alone(tmp_path, given):
    environment = {"CUDA_VISIBLE_DEVICES": "0", given: "5"}
    with one_device(environment, list, tmp_path) as one, one_device(environment, list, tmp_path):
        assert one is None
    assert not list(tmp_path.iterdir())


def test_without_devices_there_is_none_and_nobody_waits(tmp_path):
    with one_device({}, no_devices, tmp_path) as one, one_device({}, no_devices, tmp_path) as two:
        assert one is two is None
