"""The GPU that a job uses: the one its scheduler assigns, or one that no other job here holds."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

VISIBLE = "CUDA_VISIBLE_DEVICES"
# If one of these is set, Slurm or the launcher of a job's processes has assigned the devices.
SHARED_OUT = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "LOCAL_RANK")


def candidates(environment: Mapping[str, str], present: Callable[[], list[str]]) -> list[str]:
    """Ids of the devices that a job may choose from, in order; none if all are hidden.

    environment: its CUDA_VISIBLE_DEVICES, if set, names them. present: lists the machine's devices.
    """
    if VISIBLE in environment:
        return [name.strip() for name in environment[VISIBLE].split(",") if name.strip()]
    return present()


@contextmanager
def one_device(
    environment: Mapping[str, str],
    present: Callable[[], list[str]],
    locks: str | Path,
    patience: float = 1.0,
) -> Iterator[str | None]:
    """The id of a device that this job alone has while the block runs.

    None if the machine has no device or the scheduler has assigned one. Otherwise each device has a
    lock file below `locks`, shared by all runs on the machine; the system releases a lock when its
    process ends, however it ends. While all devices are taken the job tries again every `patience`
    seconds.
    """
    names = candidates(environment, present)
    if not names or any(name in environment for name in SHARED_OUT):
        yield None
        return
    name, lock = _first_free(names, Path(locks), patience)
    with lock:
        yield name


def locks_folder() -> Path:
    """Folder of this machine's lock files; the same for every checkout of one user."""
    return Path(tempfile.gettempdir()) / f"stethoscope-gpus-{os.getuid()}"


def present_devices() -> list[str]:
    """Ids of the machine's NVIDIA devices, as the driver lists them.

    Not from torch, which would fix its view of the devices before one is chosen.
    """
    folders = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number, _ in enumerate(folders.iterdir())] if folders.exists() else []


def _first_free(names: list[str], locks: Path, patience: float) -> tuple[str, IO]:
    locks.mkdir(parents=True, exist_ok=True)
    while True:
        for name in names:
            file = open(locks / f"gpu-{name.replace('/', '_')}", "w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return name, file
            except BlockingIOError:
                file.close()
        time.sleep(patience)
