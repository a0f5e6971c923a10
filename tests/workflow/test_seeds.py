"""A second run from scratch, with a second seed: the same bytes, and a model, SAEs and task vectors
of the seed's own, beside the first and pooled."""

from __future__ import annotations

import re
import shutil

import pandas as pd
import pytest

from stethoscope.planning.plan import jobs_in
from stethoscope.runtime.files import read_json, read_jsonl, sha256_file

VOLATILE = {"benchmarks"}  # what measures the run itself


def bytes_of_results(checkout) -> dict[str, str]:
    """sha256 of each result file."""
    results = checkout.folder / "results/ci"
    return {
        path.relative_to(results).as_posix(): sha256_file(path)
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in VOLATILE
    }


@pytest.fixture(scope="module")
def again(fresh):
    """A second checkout, in which the smallest study has run from nothing with two seeds."""
    checkout = fresh("again")
    checkout.edit("config/ci.yaml", "seeds: [1]", "seeds: [1, 2]")
    checkout.run_ci()
    return checkout


@pytest.fixture(scope="module")
def two_seeds(again, tmp_path_factory):
    """Its results, set aside before a test gives it one seed."""
    return shutil.copytree(again.folder / "results/ci", tmp_path_factory.mktemp("seeds") / "ci")


def test_two_runs_from_scratch_give_the_same_bytes(two_seeds, finished, again):
    again.edit("config/ci.yaml", "seeds: [1, 2]", "seeds: [1]")
    again.run_ci()  # what sums up seeds; the rest is there
    shutil.rmtree(again.folder / "results/ci/seed-2")
    first, second = bytes_of_results(finished), bytes_of_results(again)
    assert len(first) > 100
    assert first == second


def test_another_seed_runs_nothing_of_the_first_again(scratch):
    scratch.edit("config/ci.yaml", "seeds: [1]", "seeds: [1, 2]")
    plan, counts = jobs_in(scratch.run_ci("-n", "--forceall")), jobs_in(scratch.run_ci("-n"))
    for rule in ("pretrain_model", "train_saes", "train_adapter", "build_edits", "evaluate_edits"):
        assert 2 * counts[rule] == plan[rule], rule


def test_each_seed_trains_its_own_model_saes_and_task_vector(two_seeds):
    root = two_seeds
    for part in ("model/manifest.json", "saes/narrow/layer_0/manifest.json"):
        first, second = (read_json(root / f"seed-{seed}" / part)["files"] for seed in (1, 2))
        assert set(first) == set(second)
        weights = [name for name in first if name.endswith(".safetensors")]
        assert weights and all(first[name] != second[name] for name in weights)
    vectors = [(root / f"seed-{seed}/vectors/v2.safetensors").read_bytes() for seed in (1, 2)]
    assert vectors[0] != vectors[1]


def test_pooled_comparisons_are_recounted_from_the_answers_of_both_seeds(two_seeds):
    root = two_seeds
    table = pd.read_csv(root / "statistics/comparisons.tsv", sep="\t")
    assert set(table["seed"]) == {"1", "2", "pooled"}

    def answers(seed: int, edit: str, subject: str) -> dict[str, int]:
        (folder,) = (root / f"seed-{seed}/evaluations/test/{edit}").glob("alpha-*")
        rows = read_jsonl(folder / f"samples_{subject}.jsonl")
        return {row["doc_hash"]: row["math_verify"] for row in rows}

    pooled = table[(table["seed"] == "pooled") & (table["reference"] == "base")]
    rows = pooled[pooled["edit"].isin(["full", "sp"]) & (pooled["subject"] == "number_theory")]
    assert len(rows) == 2
    for row in rows.itertuples():
        pairs = []
        for seed in (1, 2):
            before, after = (answers(seed, edit, row.subject) for edit in ("base", row.edit))
            pairs += [(before[key], after[key]) for key in before]
        assert row.n == len(pairs) == 24
        assert row.b == sum(after > before for before, after in pairs)
        assert row.c == sum(after < before for before, after in pairs)


def test_the_report_shows_each_seed_and_says_that_there_are_two(two_seeds):
    root = two_seeds
    page = (root / "report/index.html").read_text("utf-8")
    text = re.sub(r"<[^>]*>", "", page).replace("\N{NO-BREAK SPACE}", " ").replace("&nbsp;", " ")
    assert "n = 2 seeds, pooled" in text
    assert 'id="table-seeds"' in page
