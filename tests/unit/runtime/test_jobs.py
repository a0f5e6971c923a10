"""What surrounds a script's work: its log, its threads, one line for bad input."""

import os
import subprocess
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import pytest

from stethoscope.runtime.jobs import run

SCRIPTS = sorted(
    path.stem for path in (Path(__file__).parents[3] / "workflow/scripts").glob("*.py")
)


def snakemake(log, **params):
    """As much of Snakemake's object as `run` reads."""
    resources = SimpleNamespace(tmpdir=Path(log).parent)
    parts = {"input": ["in"], "output": ["out"], "wildcards": ["1"], "params": params}
    return SimpleNamespace(rule="pretrain_model", log=[log], resources=resources, **parts)


def test_a_script_gets_the_parts_of_its_job_that_it_names(tmp_path):
    given = []

    def main(outputs, params, inputs):
        given.append((inputs, outputs, params))

    run(main, snakemake(tmp_path / "log", alpha=0.8))
    assert given == [(["in"], ["out"], {"alpha": 0.8})]


def test_a_script_has_a_scratch_folder_below_tmpdir_while_it_runs(tmp_path):
    folders = []

    def main(scratch):
        (scratch / "stream").touch()
        folders.append(scratch)

    run(main, snakemake(tmp_path / "log"))
    assert folders[0].parent == tmp_path and not folders[0].exists()


@pytest.mark.parametrize(
    ("imported", "params", "threads"),
    [("before", {}, 1), ("before", {"threads": 3}, 3), ("later", {}, 1)],
)
def test_a_script_computes_on_the_threads_of_its_rule(tmp_path, imported, params, threads):
    script = f"""
from types import SimpleNamespace
if {imported!r} == "before":
    import torch
from stethoscope.runtime.jobs import run
snakemake = SimpleNamespace(
    rule="a", wildcards=[], log=[{str(tmp_path / "log")!r}], params={params!r}, resources=None,
    input=[], output=[],
)
def main():
    import torch
    print(torch.get_num_threads())
run(main)
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
    run(lambda progress: progress("half of it"), snakemake(log))
    assert capsys.readouterr().err == "    pretrain_model 1: half of it\n"
    first, last = log.read_text().splitlines()
    assert first == "half of it" and last.startswith("ok in ")


def fails(error):
    def main():
        raise error

    return main


def test_bad_input_is_one_line_and_its_traceback_is_in_the_log(tmp_path, capsys):
    log = tmp_path / "log"
    with pytest.raises(SystemExit) as stopped:
        run(fails(ValueError("problems.jsonl: line 3:\n  no solution")), snakemake(log))
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error == "error: pretrain_model 1: problems.jsonl: line 3: no solution\n"
    assert "Traceback" in log.read_text() and "ok in" not in log.read_text()


def test_a_defect_keeps_its_traceback(tmp_path):
    with pytest.raises(KeyError):
        run(fails(KeyError("layer")), snakemake(tmp_path / "log"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_imported_without_snakemake_and_names_parts_of_a_job(script):
    main = import_module(script).main
    known = {"inputs", "outputs", "params", "wildcards", "scratch", "progress"}
    assert set(signature(main).parameters) <= known
