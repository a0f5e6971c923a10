"""Evaluation is lm-eval's minerva_math, of this model and no other, the same each time."""

import json
import re
import socket
from pathlib import Path

import lm_eval.tasks
import pytest
import torch
import yaml
from lm_eval.tasks.minerva_math import utils as minerva
from tokenizers.processors import TemplateProcessing

from stethoscope.data import prompt
from stethoscope.editing import scaled
from stethoscope.evaluation import Evaluator, edited, math_verify, minerva_task
from stethoscope.models import load_model, load_tokenizer
from stethoscope.taskvectors import extract_task_vector

CAP = 16


@pytest.fixture(scope="module")
def split(problems):
    """Eight problems of two subjects each; answers are short, of medium length and cut off."""
    return {
        "number_theory": [p for p in problems if p["type"] == "Number Theory"][:24:3],
        "counting_and_probability": [p for p in problems if p["type"] != "Number Theory"][:24:3],
    }


@pytest.fixture(scope="module")
def evaluator(tiny, split):
    return Evaluator(load_model(tiny.folder), tiny.tokenizer, split, 5, CAP)


@pytest.fixture(scope="module")
def vector(tiny, adapter):
    return extract_task_vector(adapter, tiny.folder)


@pytest.fixture(scope="module")
def base_run(evaluator):
    return evaluator.run()


def completions(samples) -> list[str]:
    return [row["completion"] for rows in samples.values() for row in rows]


GOLD = r"The sum is $\frac{1}{2}$, so the answer is $\boxed{\frac{1}{2}}$."


@pytest.mark.parametrize(
    "solution, answer, correct, parsed",
    [
        (r"\boxed{12}", r" 5 + 7 = 12. \boxed{12}", 1, 1),
        (r"\boxed{12}", r" 5 + 7 = 13. \boxed{13}", 0, 1),
        (r"\boxed{12}", r" 5 + 7 = 12. \boxed{13}", 0, 1),
        (r"\boxed{12}", " 12", 1, 1),
        (r"\boxed{12}", r" The answer is $12$. I hope it is correct.", 1, 1),
        (GOLD, r" \boxed{\frac{2}{4}}", 1, 1),
        (GOLD, r" \boxed{0.5}", 1, 1),
        (GOLD, r" \boxed{\frac12}", 1, 1),
        (GOLD, r" \boxed{2}", 0, 1),
        (r"\boxed{x^2+1}", r" \boxed{1+x^2}", 1, 1),
        (r"\boxed{(1,2)}", r" \boxed{(2,1)}", 0, 1),
        (r"\boxed{12}", " no number here", 0, 0),
        (r"\boxed{12}", r" \boxed{", 0, 0),
        (r"\boxed{12}", "", 0, 0),
    ],
)
def test_an_answer_is_scored_as_by_lm_evals_minerva_math(solution, answer, correct, parsed):
    doc = {
        "solution": solution,
        "answer": minerva.normalize_final_answer(
            minerva.remove_boxed(minerva.last_boxed_only_string(solution))
        ),
    }
    assert math_verify(solution, answer) == (correct, parsed)
    assert minerva.process_results(doc, [answer])["math_verify"] == correct


def test_prompt_and_generation_are_those_of_lm_evals_minerva_math(split):
    class Loader(yaml.SafeLoader):
        """YAML in which `!function` is just a name."""

    Loader.add_constructor("!function", lambda loader, node: node.value)
    folder = Path(lm_eval.tasks.__file__).parent / "minerva_math"
    packaged = yaml.load((folder / "minerva_math_algebra.yaml").read_text(), Loader)
    task = minerva_task("algebra", split["number_theory"], CAP)
    for record in split["number_theory"]:
        assert task["doc_to_text"](record) == minerva.doc_to_text(record)
    assert task["generation_kwargs"] == {**packaged["generation_kwargs"], "max_gen_toks": CAP}
    assert task["output_type"] == packaged["output_type"]
    metrics = {entry["metric"]: entry for entry in task["metric_list"]}
    assert metrics["math_verify"] in packaged["metric_list"]
    assert task["num_fewshot"] == 0


def test_the_same_model_gives_the_same_results_and_samples_again(tiny, split, evaluator, base_run):
    assert evaluator.run() == base_run
    assert Evaluator(tiny.model, tiny.tokenizer, split, 5, CAP).run() == base_run


def test_no_edit_is_given_the_answers_of_another(tiny, split, evaluator, vector, base_run):
    runs = []
    for alpha in (0.3, -0.3, 0.3):
        with edited(evaluator.model, scaled(vector, alpha)):
            runs.append(evaluator.run())
    assert runs[0] == runs[2]
    answers = [completions(samples) for _, samples in (base_run, *runs[:2])]
    assert answers[0] != answers[1] != answers[2] != answers[0]
    with edited(load_model(tiny.folder), scaled(vector, -0.3)) as fresh:
        assert Evaluator(fresh, tiny.tokenizer, split, 5, CAP).run() == runs[1]
    assert evaluator.run() == base_run


def test_answers_and_their_lengths_are_those_of_a_plain_generation(tiny, split, base_run):
    truncated, lengths = set(), set()
    for subject, rows in base_run[1].items():
        for record, row in zip(split[subject], rows, strict=True):
            ids = tiny.tokenizer(prompt(record["problem"]), return_tensors="pt")["input_ids"]
            output = tiny.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=CAP, do_sample=False
            )
            new = output[0, ids.shape[1] :].tolist()
            ended = tiny.tokenizer.eos_token_id in new
            new = new[: new.index(tiny.tokenizer.eos_token_id)] if ended else new
            assert row["completion"] == tiny.tokenizer.decode(new)
            assert (row["n_tokens"], row["truncated"]) == (len(new), int(not ended))
            assert row["level"] == record["level"]
            scored = math_verify(record["solution"], row["completion"])
            assert (row["math_verify"], row["parsed"]) == scored
            truncated.add(row["truncated"])
            lengths.add(row["n_tokens"])
    assert truncated == {0, 1} and len(lengths) > 2


def test_accuracies_are_the_means_of_the_samples(base_run):
    results, samples = base_run
    for subject, rows in samples.items():
        task = results["results"][f"minerva_math_local_{subject}"]
        for key in ("math_verify", "parsed"):
            assert task[f"{key},none"] == pytest.approx(sum(r[key] for r in rows) / len(rows))
    assert 0 < sum(row["math_verify"] for rows in samples.values() for row in rows) < 16


def test_samples_name_their_problems_by_content(tiny, split, base_run):
    hashes = [row["doc_hash"] for rows in base_run[1].values() for row in rows]
    assert len(set(hashes)) == 16
    part = {"number_theory": split["number_theory"][::-1]}
    _, samples = Evaluator(tiny.model, tiny.tokenizer, part, 5, CAP).run()
    assert [row["doc_hash"] for row in samples["number_theory"]] == hashes[:8][::-1]


def test_results_hold_their_settings_but_nothing_of_this_machine_or_moment(tiny, base_run):
    results, samples = base_run
    assert results["config"]["batch_size"] == 5 and results["config"]["max_gen_toks"] == CAP
    assert results["config"]["model_dtype"] == "torch.float32"
    text = json.dumps([results, samples], allow_nan=False)
    # A short host name such as "a" would be found in any text.
    host = [socket.gethostname()] if len(socket.gethostname()) > 4 else []
    for trace in ("0x", str(tiny.folder), str(Path.cwd()), str(Path.home()), *host):
        assert trace not in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)
    assert not re.search(r'"[^"]*(date|_time|seconds|hostname|git_hash)[^"]*":', text)


def test_a_prompt_that_would_be_cut_is_refused(tiny, split):
    with pytest.raises(
        ValueError, match="max_gen_toks: 120 tokens after a prompt of .* model's 128"
    ):
        Evaluator(tiny.model, tiny.tokenizer, split, 5, 120)


def test_a_tokenizer_without_bos_is_refused(tiny, split):
    tokenizer = load_tokenizer(tiny.folder)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("$A", "$A $B", [])
    with pytest.raises(ValueError, match="does not put BOS in front"):
        Evaluator(tiny.model, tokenizer, split, 5, CAP)
