"""Evaluation is lm-eval's minerva_math, of this model and no other, the same each time."""

import json
import re
import socket
from pathlib import Path
from types import SimpleNamespace

import lm_eval.tasks
import pytest
import torch
import yaml
from lm_eval.tasks.minerva_math import utils as minerva
from peft import PeftModel
from tokenizers.processors import TemplateProcessing

from stethoscope.edits.apply import edited
from stethoscope.evaluation.backend import check_requests
from stethoscope.evaluation.hf import HuggingFace
from stethoscope.evaluation.runner import Evaluator
from stethoscope.evaluation.tasks import TaskOptions, math_verify, minerva_task, packaged_task
from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.problems.records import MATH, prompt
from stethoscope.task_vectors.task_vector import scaled

CAP = 16
LOCAL = {"tasks": "local", "num_fewshot": 0, "chat_template": False}


@pytest.fixture(scope="module")
def split(problems):
    """Eight problems of two subjects each; answers are short, of medium length and cut off."""
    return {
        "number_theory": [p for p in problems if p["type"] == "Number Theory"][:24:3],
        "counting_and_probability": [p for p in problems if p["type"] != "Number Theory"][:24:3],
    }


def make_evaluator(model, tokenizer, problems, cap=CAP, batch_size=5, **options):
    return Evaluator(
        HuggingFace(model, tokenizer, batch_size), problems, TaskOptions(cap, **(LOCAL | options))
    )


@pytest.fixture(scope="module")
def evaluator(tiny, split):
    return make_evaluator(load_model(tiny.folder), tiny.tokenizer, split)


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
    assert make_evaluator(tiny.model, tiny.tokenizer, split).run() == base_run


def test_no_edit_is_given_the_answers_of_another(tiny, split, evaluator, vector, base_run):
    runs = []
    for alpha in (0.3, -0.3, 0.3):
        with edited(evaluator.backend.model, scaled(vector, alpha)):
            runs.append(evaluator.run())
    assert runs[0] == runs[2]
    answers = [completions(samples) for _, samples in (base_run, *runs[:2])]
    assert answers[0] != answers[1] != answers[2] != answers[0]
    with edited(load_model(tiny.folder), scaled(vector, -0.3)) as fresh:
        assert make_evaluator(fresh, tiny.tokenizer, split).run() == runs[1]
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
    _, samples = make_evaluator(tiny.model, tiny.tokenizer, part).run()
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
        make_evaluator(tiny.model, tiny.tokenizer, split, 120).run()


def test_a_tokenizer_without_bos_is_refused(tiny, split):
    tokenizer = load_tokenizer(tiny.folder)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("$A", "$A $B", [])
    with pytest.raises(ValueError, match="puts 0 BOS into a prompt"):
        make_evaluator(tiny.model, tokenizer, split).run()


CHAT = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}model:{% endif %}"
)


@pytest.fixture
def chatty(tiny):
    """The tokenizer with a chat template that writes BOS out, as Gemma's does."""
    tokenizer = load_tokenizer(tiny.folder)
    tokenizer.chat_template = CHAT
    return tokenizer


@pytest.fixture(scope="module")
def roomy(tiny):
    """The model with room for the four examples."""
    model = load_model(tiny.folder)
    model.config.max_position_embeddings = 4096
    return model


def spied(evaluator):
    """Results, samples, and the token ids of every prompt."""
    prompts, lm = [], evaluator.backend.lm
    generate = lm._model_generate
    lm._model_generate = lambda context, **options: (
        prompts.extend(
            [
                [token for token, seen in zip(ids, mask, strict=True) if seen]
                for ids, mask in zip(
                    context.tolist(), options["attention_mask"].tolist(), strict=True
                )
            ]
        )
        or generate(context=context, **options)
    )
    return *evaluator.run(), prompts


@pytest.mark.parametrize("num_fewshot", [0, 4])
def test_packaged_tasks_are_lm_evals_own_over_the_studys_problems(
    roomy, tiny, split, base_run, num_fewshot
):
    options = {"tasks": "minerva_math", "num_fewshot": num_fewshot}
    results, samples, prompts = spied(make_evaluator(roomy, tiny.tokenizer, split, **options))
    shots = [
        f"{minerva.doc_to_text(shot)} {shot['solution']}\n\n"
        for shot in minerva.list_fewshot_samples()[:num_fewshot]
    ]
    expected = {
        tuple(tiny.tokenizer("".join(shots) + prompt(record["problem"]))["input_ids"])
        for records in split.values()
        for record in records
    }
    assert set(map(tuple, prompts)) == expected
    assert set(results["results"]) == {"minerva_math_num_theory", "minerva_math_counting_and_prob"}
    for subject, records in split.items():
        for record, row in zip(records, samples[subject], strict=True):
            scored = math_verify(record["solution"], row["completion"])
            assert (row["math_verify"], row["parsed"]) == scored and row["level"] == record["level"]
    if not num_fewshot:  # the packaged task without examples is the local one
        assert completions(samples) == completions(base_run[1])
    task = results["results"]["minerva_math_num_theory"]
    assert {"exact_match,none", "math_verify,none", "parsed,none"} <= set(task)
    assert "0x" not in json.dumps(results)


def test_each_subject_has_its_packaged_task(problems):
    folder = Path(lm_eval.tasks.__file__).parent / "minerva_math"
    tasks = {packaged_task(subject, problems, CAP, 4)["task"] for subject in MATH}
    assert tasks == {path.stem for path in folder.glob("*.yaml")} - {"minerva_math500"}


def test_a_chat_has_bos_once_and_each_example_is_a_turn(roomy, chatty, split):
    options = {"tasks": "minerva_math", "num_fewshot": 2, "chat_template": True}
    results, samples, prompts = spied(make_evaluator(roomy, chatty, split, **options))
    assert results["config"]["chat_template"] is True
    for ids in prompts:
        text = chatty.decode(ids)
        assert ids.count(chatty.bos_token_id) == 1 and text.startswith("<bos>user: Problem:")
        assert text.count("user: ") == 3 and text.count("assistant: ") == 2
        assert text.endswith("Solution:\nmodel:")
    assert {row["n_tokens"] for rows in samples.values() for row in rows} != {0}


def test_a_chat_without_a_template_is_refused(tiny, split):
    with pytest.raises(ValueError, match="chat_template: the model's tokenizer has none"):
        make_evaluator(tiny.model, tiny.tokenizer, split, chat_template=True).run()


def test_a_second_bos_is_refused(chatty):
    request = SimpleNamespace(args=("<bos>user: hello\nmodel:", {"max_gen_toks": 4}))
    encode, bos = chatty.encode, chatty.bos_token_id
    with pytest.raises(ValueError, match="puts 2 BOS into a prompt, expected one in front"):
        check_requests([request], encode, bos, 128)
    check_requests([request], lambda text: encode(text, add_special_tokens=False), bos, 128)


@pytest.mark.parametrize("sampling", [{"do_sample": True}, {"temperature": 0.7}])
def test_a_task_that_would_sample_is_refused(tiny, sampling):
    request = SimpleNamespace(args=("1 + 1 =", {"max_gen_toks": 4, **sampling}))
    with pytest.raises(ValueError, match="decoding is greedy, a task asks for"):
        check_requests([request], tiny.tokenizer.encode, tiny.tokenizer.bos_token_id, 128)


def test_on_bf16_weights_an_edit_lands_whole_where_merging_would_lose_it(tiny, vector):
    """By what moves a module's outputs, projected on what should move them (1 is all of it)."""
    small = scaled(vector, 0.002)
    name = next(iter(small.modules))
    model = load_model(tiny.folder).bfloat16()
    before = {name: p.clone() for name, p in model.named_parameters()}
    module, wanted = model.get_submodule(name), torch.from_numpy(small.modules[name].dense())
    x = torch.randn(20000, wanted.shape[1], generator=torch.Generator().manual_seed(1)).bfloat16()

    def landed(output):
        moved = output.float() - x.float() @ before[f"{name}.weight"].float().T
        wish = x.float() @ wanted.T
        return float((moved * wish).sum() / wish.pow(2).sum())

    with torch.inference_mode():
        with edited(model, small):
            assert landed(module(x)) == pytest.approx(1, abs=0.03)
        assert abs(landed(module(x))) < 0.03  # and it is gone again
        beside = module(x).float() + x.float() @ wanted.T
        assert landed(beside.bfloat16()) < 0.5  # rounded back to where it was
        assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
        module.weight += wanted.bfloat16()
        assert abs(landed(module(x)) - 1) > 0.1


def test_an_edit_on_bf16_weights_answers_as_pefts_adapter_does(tiny, adapter, vector, split):
    with edited(load_model(tiny.folder).bfloat16(), vector) as model:
        _, ours = make_evaluator(model, tiny.tokenizer, split).run()
    model = PeftModel.from_pretrained(load_model(tiny.folder).bfloat16(), adapter)
    _, theirs = make_evaluator(model, tiny.tokenizer, split).run()
    same = [a == b for a, b in zip(completions(ours), completions(theirs), strict=True)]
    assert sum(same) >= 14  # roundings differ, and a tie may fall the other way
