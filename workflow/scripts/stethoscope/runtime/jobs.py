"""Runs a script's `main` for Snakemake, with a log, progress lines and one-line errors.

A script defines `main` and ends with

    if __name__ == "__main__":
        run(main)

so that a test imports it and calls `main` without Snakemake.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stethoscope.runtime import devices

_COPY = "STETHOSCOPE_COPY"  # in the environment of a script's copies, so that none copies itself


def run(main: Callable[..., None], snakemake: Any = None) -> None:
    """Call a script's `main` with those of the following that it names as its parameters.

    inputs, outputs, params, wildcards: the job's, from Snakemake. progress: a function that writes
    one line to the log and the terminal. scratch: a temporary folder, below Snakemake's resource
    tmpdir. Two of the rule's params apply here: `threads`, of PyTorch (default 1), and `processes`,
    how many of the script share its work (default 1).

    snakemake: by default what Snakemake puts into the script that it runs.
    """
    snakemake = snakemake or sys.modules["__main__"].snakemake
    if _ran_in_processes(snakemake.params.get("processes", 1)):
        return
    with _job(snakemake) as progress, ExitStack() as stack:
        given = {
            "inputs": snakemake.input,
            "outputs": snakemake.output,
            "params": snakemake.params,
            "wildcards": snakemake.wildcards,
            "progress": progress,
        }
        names = signature(main).parameters
        if "scratch" in names:
            folder = TemporaryDirectory(dir=snakemake.resources.tmpdir)
            given["scratch"] = Path(stack.enter_context(folder))
        main(**{name: given[name] for name in names})


@contextmanager
def _job(snakemake: Any) -> Iterator[Callable[[str], None]]:
    """Run a script's work with a log; yields `progress(line)`, which tells the log and the user.

    Bad input (ValueError, OSError) ends the script with status 1 and one line on the terminal; its
    traceback goes to the log. Any other error is a defect and keeps its traceback.
    """
    name = snakemake.rule + "".join(f" {value}" for value in snakemake.wildcards)
    started = time.monotonic()
    rank = int(os.environ.get("RANK", 0))  # only the first of several processes prints
    path = f"{snakemake.log[0]}{f'.{rank}' * (rank > 0)}"
    with open(path, "w", buffering=1, encoding="utf-8") as log, _device(snakemake):

        def progress(line: str) -> None:
            print(line, file=log)
            if not rank:
                print(f"    {name}: {line}", file=sys.stderr, flush=True)

        _use_threads(snakemake.params.get("threads", 1))
        try:
            yield progress
        except (ValueError, OSError) as error:
            traceback.print_exc(file=log)
            message = " ".join(str(error).split())
            print(f"error: {name}: {message}", file=sys.stderr, flush=True)
            sys.exit(1)
        print(f"ok in {time.monotonic() - started:.1f} s", file=log)


def _ran_in_processes(count: int) -> bool:
    """Run this script in several processes of one machine; False in each, or if one is enough.

    Ends with status 1 if one of them failed.
    """
    if count == 1 or _COPY in os.environ:
        return False
    # What `accelerate launch` calls for several GPUs; that command itself wants MPI on CPUs.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    # sys.argv[0] and not __file__, which Snakemake sets to the script that it wrapped
    command = [*launch, f"--nproc-per-node={count}", sys.argv[0]]
    if subprocess.run(command, env={**os.environ, _COPY: "1"}, check=False).returncode:
        sys.exit(1)
    return True


@contextmanager
def _device(snakemake: Any) -> Iterator[None]:
    """Let CUDA see one free GPU alone, if the job requests one and the machine has any."""
    if not getattr(snakemake.resources, "gpu", 0):
        yield
        return
    with devices.one_device(os.environ, devices.present_devices, devices.locks_folder()) as device:
        if device is not None:
            os.environ[devices.VISIBLE] = device
        yield


def _use_threads(threads: int) -> None:
    """Set the threads of PyTorch: results may depend on their number, so a rule gives it."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for a PyTorch that is imported later
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
