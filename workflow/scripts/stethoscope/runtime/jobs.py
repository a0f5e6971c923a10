"""What every script of the workflow does around its work: a log, progress, one-line errors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stethoscope.runtime import devices

_COPY = "STETHOSCOPE_COPY"  # in the environment of a script's copies, so that none copies itself


@contextmanager
def job(snakemake: Any) -> Iterator[Callable[[str], None]]:
    """Run a script's work with a log; yields `progress(line)`, which tells the log and the user.

    Bad input (ValueError, OSError) ends the script with status 1 and one line on the terminal; its
    traceback goes to the log. Anything else is a defect of ours and keeps its traceback.
    """
    name = snakemake.rule + "".join(f" {value}" for value in snakemake.wildcards)
    started = time.monotonic()
    rank = int(os.environ.get("RANK", 0))  # of several processes the first speaks for all
    said = f"{snakemake.log[0]}{f'.{rank}' * (rank > 0)}"
    with open(said, "w", buffering=1, encoding="utf-8") as log, _device(snakemake):

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


def in_processes(count: int) -> bool:
    """Run this very script in several processes of one machine; False where none are needed.

    The script asks before it does anything, and ends where the answer is True: its copies, which
    get False, have done the work. Ends with status 1 if one of them failed.
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


def seed_of(path: str | Path) -> int:
    """The seed in whose folder a result lies."""
    parts = Path(path).parts
    return next(int(part[len("seed-") :]) for part in parts if part.startswith("seed-"))


@contextmanager
def _device(snakemake: Any) -> Iterator[None]:
    """A GPU of its own for a job that asked for one, where there is any: the one that CUDA sees."""
    if not getattr(snakemake.resources, "gpu", 0):
        yield
        return
    with devices.one_device(os.environ, devices.present_devices, devices.locks_folder()) as device:
        if device is not None:
            os.environ[devices.VISIBLE] = device
        yield


def _use_threads(threads: int) -> None:
    """Numbers may depend on the number of threads: the rule sets it, not the cores at hand."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for a PyTorch that is imported later
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
