"""Real runs of the smallest study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import PARTS, ROOT, Checkout, copy_of
from slurm import KILLED, Slurm, missing, run_ci


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Checkout]:
    """A function that makes a fresh checkout, without results."""
    return lambda name: copy_of(ROOT, tmp_path_factory.mktemp("checkouts") / name, PARTS)


@pytest.fixture(scope="session")
def finished(fresh) -> Checkout:
    """A checkout in which the smallest study has run from nothing; tests leave it as it is."""
    checkout = fresh("finished")
    checkout.run_ci()
    return checkout


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm | None]:
    """A real Slurm on this machine, or None where its programs are not installed."""
    if missing():
        yield None
        return
    started = Slurm(tmp_path_factory.mktemp("slurm"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def again(fresh, slurm) -> Checkout:
    """A second run of the smallest study from nothing; through Slurm, where there is one."""
    checkout = fresh("again")
    if slurm:
        run_ci(slurm, checkout, kill=KILLED)
    else:
        checkout.run_ci()
    return checkout


@pytest.fixture
def scratch(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished checkout, results included, that a test may change."""
    return copy_of(finished.folder, tmp_path / "scratch", [*PARTS, "results", "logs", ".snakemake"])
