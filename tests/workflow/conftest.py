"""Real runs of the smallest study.

With pytest-xdist each file of tests runs in one of several processes, which share the finished run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import PARTS, ROOT, Checkout, copy_of
from filelock import FileLock


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Checkout]:
    """A function that makes a fresh checkout, without results."""
    return lambda name: copy_of(ROOT, tmp_path_factory.mktemp("checkouts") / name, PARTS)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the smallest study has run from nothing; tests leave it as it is."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / "finished"
    with FileLock(f"{folder}.lock"):
        checkout = Checkout(folder) if folder.exists() else copy_of(ROOT, folder, PARTS)
        if not (folder / "results/ci/report/index.html").exists():
            checkout.run_ci()
    return checkout


@pytest.fixture
def scratch(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished checkout, results included, that a test may change."""
    return copy_of(finished.folder, tmp_path / "scratch", [*PARTS, "results", "logs", ".snakemake"])
