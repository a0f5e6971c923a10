"""A real Slurm of one node, and the smallest study with two edits through it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml
from checkout import Checkout

SETUP = Path(__file__).with_name("slurm.sh")
PROGRAMS = ("slurmctld", "slurmd", "munged", "srun", "squeue")
PATH = f"{os.environ['PATH']}:/usr/sbin"


def missing() -> list[str]:
    """Programs that a Slurm on this machine would need; `slurm.sh install` gets them."""
    return [program for program in PROGRAMS if not shutil.which(program, path=PATH)]


@dataclass(frozen=True)
class Job:
    """A job as squeue or scontrol shows it; mem in MB."""

    id: str
    rule: str
    state: str
    mem: int
    gpus: int


class Slurm:
    """A running Slurm whose files lie in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = f"{folder / 'bin'}:{PATH}"
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
        subprocess.run([SETUP, "start", folder], check=True, capture_output=True, text=True)

    def stop(self) -> None:
        """End the daemons, and with them the jobs."""
        subprocess.run([SETUP, "stop", self.folder], check=True)

    def call(self, *command: str) -> str:
        """What one of Slurm's own programs prints."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def jobs(self) -> list[Job]:
        """All jobs so far, ended ones too, in the order of their submission."""
        found = []
        for line in self.call("scontrol", "show", "job", "--oneliner").splitlines():
            if not line.startswith("JobId="):  # "No jobs in the system"
                continue
            fields = dict(re.findall(r"(\S+?)=(\S*)", line))
            rule = re.match(r"rule_(.*?)(_wildcards_.*)?$", fields.get("Comment", ""))
            memory = re.search(r"mem=([\d.]+)([MG])", fields.get("TRES", ""))
            size = float(memory[1]) * {"M": 1, "G": 1024}[memory[2]] if memory else 0
            gpus = int(fields.get("TresPerJob", "gpu:0").removeprefix("gres:").split(":")[-1])
            found.append(
                Job(fields["JobId"], rule[1] if rule else "", fields["JobState"], int(size), gpus)
            )
        return sorted(found, key=lambda job: int(job.id))


def shorten(checkout: Checkout) -> None:
    """Leave two edits of the smallest study and what they need: a job in Slurm starts slowly.

    All stages are still there but gains, searches and the second reading of the test problems.
    """
    path = checkout.folder / "config/ci.yaml"
    study = yaml.safe_load(path.read_text())
    for section, kept in {"edits": ("full", "sp"), "selections": ("all", "sp")}.items():
        study[section] = {name: study[section][name] for name in kept}
    study["edits"]["full"]["sweep"] = False
    study["specificity"]["controls"]["encoders"] = []
    study["statistics"]["references"] = ["base", "full", "sp"]
    del (
        study["searches"],
        study["evaluation"]["noise_floor"],
        study["evaluation"]["reuse_answers_from"],
    )
    path.write_text(yaml.safe_dump(study, sort_keys=False))


def run_ci(slurm: Slurm, checkout: Checkout, *, kill: str, limit: float = 1800) -> str:
    """Run the smallest study through the profile, cancelling the first job of the rule `kill`.

    What is set here belongs to this Slurm: it keeps no accounts, and jobs are seconds long.
    """
    options = {
        "--configfile": "config/ci.yaml",
        "--profile": "profiles/slurm",
        "--cores": "2",
        "--slurm-init-seconds-before-status-checks": "3",
        "--latency-wait": "10",
        "--set-resources": "train_adapter:gpu=1",
    }
    call = [sys.executable, "-m", "snakemake", "--slurm-no-account"]
    for option in options.items():
        call += option
    output = slurm.folder / "snakemake.out"
    with open(output, "w") as file:
        run = subprocess.Popen(
            call, cwd=checkout.folder, env=slurm.environment, stdout=file, stderr=file
        )
    started, killed = time.monotonic(), False
    try:
        while run.poll() is None and time.monotonic() - started < limit:
            running = [job for job in slurm.jobs() if (job.rule, job.state) == (kill, "RUNNING")]
            if running and not killed:
                slurm.call("scancel", running[0].id)
                killed = True
            time.sleep(0.5)
        assert run.poll() == 0, output.read_text()
    finally:
        run.kill()
    return output.read_text()
