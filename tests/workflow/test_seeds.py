"""A second seed: a base model, SAEs and task vectors of its own, beside the first and pooled."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from checkout import PARTS, copy_of

from stethoscope.runtime.files import folder_digests, read_json, read_jsonl


@pytest.fixture(scope="module")
def two_seeds(finished, tmp_path_factory):
    """The smallest study with a second seed added, and the digests of the first before that."""
    folder = tmp_path_factory.mktemp("seeds") / "checkout"
    checkout = copy_of(finished.folder, folder, [*PARTS, "results", "logs", ".snakemake"])
    before = folder_digests(folder / "results/ci/seed-1")
    checkout.edit("config/ci.yaml", "seeds: [1]", "seeds: [1, 2]")
    checkout.run_ci()
    return folder / "results/ci", before


def test_another_seed_leaves_the_first_as_it_was(two_seeds):
    root, before = two_seeds
    assert folder_digests(root / "seed-1") == before


def test_each_seed_grows_its_own_model_saes_and_task_vector(two_seeds):
    root, _ = two_seeds
    for part in ("model/manifest.json", "saes/narrow/layer_0/manifest.json"):
        first, second = (read_json(root / f"seed-{seed}" / part)["files"] for seed in (1, 2))
        assert set(first) == set(second)
        weights = [name for name in first if name.endswith(".safetensors")]
        assert weights and all(first[name] != second[name] for name in weights)
    vectors = [(root / f"seed-{seed}/vectors/v2.safetensors").read_bytes() for seed in (1, 2)]
    assert vectors[0] != vectors[1]


def test_pooled_comparisons_are_recounted_from_the_answers_of_both_seeds(two_seeds):
    root, _ = two_seeds
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
    root, _ = two_seeds
    page = (root / "report/index.html").read_text("utf-8")
    text = re.sub(r"<[^>]*>", "", page).replace("\N{NO-BREAK SPACE}", " ").replace("&nbsp;", " ")
    assert "n = 2 seeds, pooled" in text
    assert 'id="table-seeds"' in page
