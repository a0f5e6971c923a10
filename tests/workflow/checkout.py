"""Copies of the checkout in which tests call `snakemake` and may change files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ["Snakefile", "rules", "workflow", "config", "envs", "profiles", "report"]


class Checkout:
    """A copy of the workflow's files in which `snakemake` can be called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """What a call prints on stdout and stderr; asserts that it succeeds, or that it fails."""
        call = [sys.executable, "-m", "snakemake", *arguments]
        done = subprocess.run(call, cwd=self.folder, capture_output=True, text=True)
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output
        return output

    def run_ci(self, *arguments: str, fails: bool = False) -> str:
        """A run of the smallest study; targets come first, since --configfile takes several."""
        ci = ("--cores", "2", "--configfile", "config/ci.yaml")
        return self.snakemake(*arguments, *ci, fails=fails)

    def would_rerun(self, *arguments: str) -> dict[str, set[str]]:
        """Rules that a dry run of the smallest study names, by the reason that it gives."""
        output = self.run_ci("-n", *arguments)
        reasons: dict[str, set[str]] = {}
        found = re.search(r"^Reasons:\n(.*?)^\S", output + "end", re.S | re.M)
        for reason, names in re.findall(
            r"^ {4}(\w[^\n]*):\n {8}([^\n]*)", found[1] if found else "", re.M
        ):
            reasons[reason] = {name.strip() for name in names.split(",")} - {"all"}
        return reasons

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the copy; the text must be there."""
        text = (self.folder / path).read_text("utf-8")
        assert old in text
        (self.folder / path).write_text(text.replace(old, new), "utf-8")


def copy_of(source: Path, target: Path, parts: list[str]) -> Checkout:
    """A copy of some parts of a folder; modification times are kept."""
    target.mkdir(parents=True)
    for part in parts:
        if (source / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source / part, target / part, ignore=ignored)
        else:
            shutil.copy2(source / part, target / part)
    return Checkout(target)
