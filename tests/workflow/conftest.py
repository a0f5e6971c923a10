"""Real runs of the smallest study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import PARTS, ROOT, Checkout, copy_of


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


@pytest.fixture
def scratch(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished checkout, results included, that a test may change."""
    return copy_of(finished.folder, tmp_path / "scratch", [*PARTS, "results", "logs", ".snakemake"])
