"""What surrounds a script's work: its log, its threads, one line for bad input."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from stethoscope.runtime.jobs import job


def described(log, **params):
    """As much of Snakemake's object as `job` looks at."""
    return SimpleNamespace(
        rule="grow_model", wildcards=["1"], log=[log], params=params, resources=None
    )


@pytest.mark.parametrize(
    ("imported", "params", "threads"),
    [("before", {}, 1), ("before", {"threads": 3}, 3), ("later", {}, 1)],
)
def test_a_script_computes_on_the_threads_of_its_rule(tmp_path, imported, params, threads):
    script = f"""
from types import SimpleNamespace
if {imported!r} == "before":
    import torch
from stethoscope.runtime.jobs import job
snakemake = SimpleNamespace(
    rule="a", wildcards=[], log=[{str(tmp_path / "log")!r}], params={params!r}, resources=None
)
with job(snakemake) as progress:
    import torch
    print(torch.get_num_threads())
"""
    # In a process of its own: how many threads PyTorch has is set for the whole process.
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"{threads}\n"


def test_progress_is_told_to_the_log_and_to_the_user(tmp_path, capsys):
    log = tmp_path / "log"
    with job(described(log)) as progress:
        progress("half of it")
    assert capsys.readouterr().err == "    grow_model 1: half of it\n"
    first, last = log.read_text().splitlines()
    assert first == "half of it" and last.startswith("ok in ")


def test_bad_input_is_one_line_and_its_traceback_is_in_the_log(tmp_path, capsys):
    log = tmp_path / "log"
    with pytest.raises(SystemExit) as stopped, job(described(log)):
        raise ValueError("problems.jsonl: line 3:\n  no solution")
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error == "error: grow_model 1: problems.jsonl: line 3: no solution\n"
    assert "Traceback" in log.read_text() and "ok in" not in log.read_text()


def test_a_defect_of_ours_keeps_its_traceback(tmp_path):
    with pytest.raises(KeyError), job(described(tmp_path / "log")):
        raise KeyError("layer")
