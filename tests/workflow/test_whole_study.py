"""The smallest study, run for real: what is there at the end."""

from __future__ import annotations

import json
import math
import re

import pandas as pd
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from stethoscope.runtime.files import folder_digests, sha256_file

SUBJECTS = 7


def test_results_name_no_machine_path_or_day(finished):
    home = str(finished.folder).encode()
    today = re.compile(rb"20\d\d-\d\d-\d\d[T ]\d\d:\d\d")
    for path in (finished.folder / "results/ci").rglob("*"):
        if path.is_file() and "benchmarks" not in path.parts:
            content = path.read_bytes()
            assert home not in content, path
            assert not today.search(content), path


def test_each_manifest_lists_exactly_the_files_that_are_there(finished):
    manifests = list((finished.folder / "results/ci").rglob("manifest.json"))
    assert len(manifests) > 20
    for manifest in manifests:
        assert json.loads(manifest.read_text())["files"] == folder_digests(manifest.parent)


def test_an_evaluation_has_a_result_and_the_samples_of_every_subject(finished):
    folders = list((finished.folder / "results/ci/seed-1/evaluations/test").glob("*/alpha-*"))
    assert {folder.parent.name for folder in folders} == {
        "base", "full", "sp", *(f"random-{draw}" for draw in range(1, 6)), "projected",
        "projected_matched", "complement", "norm", "cma-1", "cma-2", "ties",
    }  # fmt: skip
    for folder in folders:
        results = json.loads((folder / "results.json").read_text())
        assert len(results["results"]) == SUBJECTS
        for task, scores in results["results"].items():
            subject = task.removeprefix("minerva_math_local_")
            lines = (folder / f"samples_{subject}.jsonl").read_text("utf-8").splitlines()
            rows = [json.loads(line) for line in lines]
            assert len(rows) == 12
            share = sum(row["math_verify"] for row in rows) / len(rows)
            assert scores["math_verify,none"] == pytest.approx(share, abs=1e-12)


def test_a_selector_of_known_layers_reuses_the_answers_of_the_same_edit(finished):
    root = finished.folder / "results/ci/seed-1"
    norm, sp, random = (
        json.loads((root / f"selections/{name}.json").read_text())
        for name in ("norm", "sp", "random")
    )
    others = {"sp": sp["layers"]}
    others |= {f"random-{n}": draw["layers"] for n, draw in enumerate(random["draws"], start=1)}
    (equal,) = (name for name, layers in others.items() if layers == norm["layers"])
    for split in ("validation", "test"):
        answered = root / f"evaluations/{split}"
        (record,) = json.loads((answered / "norm.json").read_text())["written"].values()
        assert record["reuses"] == f"{equal}/alpha-1.0"
        ours, theirs = answered / "norm/alpha-1.0", answered / f"{equal}/alpha-1.0"
        for path in theirs.glob("samples_*.jsonl"):
            assert (ours / path.name).read_bytes() == path.read_bytes()


def test_accuracy_is_recounted_from_the_samples(finished):
    root = finished.folder / "results/ci"
    accuracy = pd.read_csv(root / "statistics/accuracy.tsv", sep="\t")
    for row in accuracy[~accuracy["subject"].isin(["all", "others"])].itertuples():
        folder = root / f"seed-{row.seed}/evaluations/test/{row.edit}/alpha-{row.alpha}"
        lines = (folder / f"samples_{row.subject}.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        assert row.n == len(rows)
        assert row.correct == sum(sample["math_verify"] for sample in rows)


def test_a_sweep_and_another_batch_read_the_same_test_problems_again(finished):
    root = finished.folder / "results/ci"
    places = {
        path.parent.relative_to(root / "seed-1/evaluations").as_posix()
        for split in ("sweep", "noise")
        for path in (root / "seed-1/evaluations" / split).rglob("results.json")
    }
    assert places == {"sweep/full/alpha-0.5", "sweep/full/alpha-1.0", "noise/base/alpha-0.0"}
    optimism = pd.read_csv(root / "statistics/optimism.tsv", sep="\t")
    assert optimism["repeated"].tolist() == [12 * SUBJECTS]
    assert optimism["answers_differ"].tolist() == [0]  # paper, section 6.2
    sweep = pd.read_csv(root / "statistics/sweep.tsv", sep="\t")
    accuracy = pd.read_csv(root / "statistics/accuracy.tsv", sep="\t")
    for row in sweep[sweep["chosen"] == 1].itertuples():
        same = accuracy[(accuracy["edit"] == row.edit) & (accuracy["subject"] == row.subject)]
        assert (row.alpha, row.n, row.correct) == tuple(same[["alpha", "n", "correct"]].iloc[0])
    noise = pd.read_csv(root / "statistics/noise.tsv", sep="\t")
    assert noise[["edit", "batch_size", "n"]].iloc[0].tolist() == ["base", 32, 12 * SUBJECTS]


def test_a_protocol_stands_beside_the_studys_own_on_the_same_problems(finished):
    root = finished.folder / "results/ci"
    table = pd.read_csv(root / "statistics/protocols.tsv", sep="\t")
    assert set(table["protocol"]) == {"main", "packaged"} and set(table["edit"]) == {"base", "sp"}
    accuracy = pd.read_csv(root / "statistics/accuracy.tsv", sep="\t")
    for row in table[(table["protocol"] == "main") & (table["subject"] != "all")].itertuples():
        same = accuracy[(accuracy["edit"] == row.edit) & (accuracy["subject"] == row.subject)]
        assert (row.alpha, row.n, row.correct) == tuple(same[["alpha", "n", "correct"]].iloc[0])
    results = json.loads(
        (root / "seed-1/evaluations/packaged/sp/alpha-1.0/results.json").read_text()
    )
    assert results["config"]["tasks"] == "minerva_math"
    assert results["config"]["max_gen_toks"] == 24


def test_a_searched_edit_has_the_perplexity_that_its_search_measured(finished):
    """The base with the adapter on it, one problem at a time, through PEFT and transformers."""
    root = finished.folder / "results/ci"
    found = json.loads((root / "seed-1/searches/nt/best.json").read_text())
    candidates = pd.read_csv(root / "seed-1/searches/nt/candidates.tsv", sep="\t")
    tokenizer = AutoTokenizer.from_pretrained(root / "seed-1/model")
    lines = (root / "data/validation.jsonl").read_text("utf-8").splitlines()
    problems = [row for row in map(json.loads, lines) if row["type"] == "Number Theory"][:6]
    for number, kept in enumerate(found["kept"], start=1):
        adapter = root / f"seed-1/edits/cma-{number}/alpha-1.0"
        assert json.loads((adapter / "edit.json").read_text())["search"]["alphas"] == kept["alphas"]
        row = candidates[candidates["candidate"] == kept["candidate"]].filter(like="alpha_")
        assert row.to_numpy()[0].tolist() == kept["alphas"]
        base = AutoModelForCausalLM.from_pretrained(root / "seed-1/model")
        model, losses = PeftModel.from_pretrained(base, adapter).eval(), []
        for record in problems:
            head = tokenizer(f"Problem:\n{record['problem']}\n\nSolution:")["input_ids"]
            tail = tokenizer(f" {record['solution']}", add_special_tokens=False)["input_ids"]
            ids = torch.tensor([[*head, *tail, tokenizer.eos_token_id]])
            with torch.inference_mode():
                logs = model(ids).logits[0].log_softmax(-1)
            losses += [-float(logs[at - 1, ids[0, at]]) for at in range(len(head), ids.shape[1])]
        assert math.exp(sum(losses) / len(losses)) == pytest.approx(kept["perplexity"], rel=1e-5)


def test_the_accuracy_of_a_searched_edit_is_recounted_from_its_answers(finished):
    root = finished.folder / "results/ci"
    table = pd.read_csv(root / "statistics/search.tsv", sep="\t")
    assert table["edit"].tolist() == ["cma-1", "cma-2"]
    for row in table.itertuples():
        for split in ("validation", "test"):
            folder = root / f"seed-1/evaluations/{split}/{row.edit}/alpha-1.0"
            lines = (folder / "samples_number_theory.jsonl").read_text("utf-8").splitlines()
            right = sum(json.loads(line)["math_verify"] for line in lines)
            assert getattr(row, f"n_{split}") == len(lines) == 12
            assert getattr(row, f"accuracy_{split}") == right / 12
    folder = root / "seed-1/evaluations/validation/cma-1/alpha-1.0"
    assert {path.stem for path in folder.glob("samples_*")} == {
        "samples_number_theory", "samples_algebra",
    }  # fmt: skip


def test_a_checkpoint_is_the_base_with_the_edit_in_exactly_the_selected_layers(finished):
    seed = finished.folder / "results/ci/seed-1"
    (place,) = json.loads((seed / "checkpoints/projected.json").read_text())["written"]
    chosen = json.loads((seed / "alphas/projected.json").read_text())["edits"]["projected"]
    assert place == f"projected/alpha-{chosen['chosen']}"
    layers = json.loads((seed / "selections/sp.json").read_text())["layers"]
    base = AutoModelForCausalLM.from_pretrained(seed / "model")
    merged = PeftModel.from_pretrained(base, seed / "edits" / place).merge_and_unload()
    exported = AutoModelForCausalLM.from_pretrained(seed / "checkpoints" / place).state_dict()
    before = AutoModelForCausalLM.from_pretrained(seed / "model").state_dict()
    changed = {key for key, value in exported.items() if not torch.equal(value, before[key])}
    parts = [f"self_attn.{part}_proj" for part in "qkvo"]
    parts += [f"mlp.{part}_proj" for part in ("gate", "up", "down")]
    assert changed == {f"model.layers.{i}.{part}.weight" for i in layers for part in parts}
    for key, value in merged.state_dict().items():
        torch.testing.assert_close(exported[key], value, rtol=1e-5, atol=1e-6)


def test_each_printed_number_is_in_the_file_that_cells_json_names(finished):
    records = json.loads((finished.folder / "results/ci/report/cells.json").read_text("utf-8"))
    looked_up = 0
    for record in records:
        if record["file"] is None:
            assert record["parents"]
            continue
        path = finished.folder / record["file"]
        assert sha256_file(path) == record["sha256"], path
        if path.suffix == ".tsv":
            row, column = record["row"], record["column"]
            table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
            written = table[column][int(row)]
            assert str(record["value"]) == written or float(record["value"]) == float(written)
            looked_up += 1
    assert looked_up > 100


def test_each_table_and_figure_of_the_paper_has_its_files(finished):
    report = finished.folder / "results/ci/report"
    wanted = {f"tables/table{number}.{kind}" for number in range(1, 7) for kind in ("tsv", "tex")}
    wanted |= {f"figures/figure{number}.svg" for number in range(1, 10)}
    assert {
        path.relative_to(report).as_posix() for path in report.glob("*/*") if path.stat().st_size
    } == wanted
    page = (report / "index.html").read_text("utf-8")
    for name in [*(f"table-{n}" for n in range(1, 7)), *(f"figure-{n}" for n in range(1, 10))]:
        left_out = name in ("table-4", "figure-6", "figure-7")  # ours is not swept
        assert (f'id="{name}"' in page) != left_out


def test_the_page_is_self_contained(finished):
    page = (finished.folder / "results/ci/report/index.html").read_text("utf-8")
    assert len(page) < 3_000_000
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)
    assert "<script" not in page
