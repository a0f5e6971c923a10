"""Training: the loss counts what it says, the fast forward pass is Gemma's, runs repeat."""

import math
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hub_files import multimodal
from peft import PeftModel
from safetensors import safe_open
from study_settings import lora, pretraining, shape
from transformers import Gemma3ForConditionalGeneration

from stethoscope.models.base import (
    decoder_layers,
    load_model,
    new_model,
    save_model,
    train_tokenizer,
)
from stethoscope.models.gemma import fast_forward
from stethoscope.models.loop import batches, schedule
from stethoscope.models.lora import LORA_TARGETS, fine_tune_lora
from stethoscope.models.loss import Example, collate, encode, weighted_loss
from stethoscope.models.pretrain import pretrain
from stethoscope.problems.records import completion, prompt, write_problems
from stethoscope.runtime.files import atomic_folder, folder_digest
from stethoscope.runtime.resume import Checkpoint

SMALL = shape(layers=2, hidden=32, intermediate=64, heads=4, kv_heads=2, head_dim=8)
PROBLEMS = [
    {"problem": f"What is {a} + {b}?", "solution": f"{a} + {b} = \\boxed{{{a + b}}}"}
    for a in range(6)
    for b in range(0, 120, 17)
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(
        [prompt(p["problem"]) + completion(p["solution"]) for p in PROBLEMS], 140
    )


@pytest.fixture
def model(tokenizer):
    model = new_model(SMALL, len(tokenizer), seed=0)
    # Norms and embeddings as they are after some training, else their part is invisible.
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 or "embed" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def silent(line):
    pass


def weights_of(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def loss_by_hand(model, example, prompt_weight):
    """Weighted mean negative log-probability of one example, token by token."""
    with torch.no_grad():
        rows = model(torch.tensor([example.ids])).logits[0].double().log_softmax(-1)
    total = norm = 0.0
    for position in range(1, len(example.ids)):
        weight = prompt_weight if position < example.n_prompt else 1.0
        total -= weight * rows[position - 1, example.ids[position]].item()
        norm += weight
    return total, norm


def test_an_example_is_the_prompt_as_evaluated_then_the_solution_then_eos(tokenizer):
    example = encode(tokenizer, PROBLEMS[9:10])[0]
    head = tokenizer(prompt(PROBLEMS[9]["problem"]))["input_ids"]
    assert list(example.ids[: example.n_prompt]) == head
    text = tokenizer.decode(example.ids[example.n_prompt : -1])
    assert text == " " + PROBLEMS[9]["solution"]
    assert example.ids[-1] == tokenizer.eos_token_id and example.ids.count(2) == 1


def test_no_problems_is_an_error(tokenizer):
    with pytest.raises(ValueError, match="no problems"):
        encode(tokenizer, [])


def test_padding_and_bos_weigh_nothing_and_the_prompt_its_weight():
    ids, weights = collate([Example((2, 7, 8, 9, 1), 3), Example((2, 7, 1), 2)], 0, 0.25)
    assert ids.tolist() == [[2, 7, 8, 9, 1], [2, 7, 1, 0, 0]]
    assert weights.tolist() == [[0, 0.25, 0.25, 1, 1], [0, 0.25, 1, 0, 0]]


@pytest.mark.parametrize("prompt_weight", [0.0, 0.1, 1.0])
def test_the_loss_is_the_weighted_mean_over_tokens_worked_out_by_hand(
    model, tokenizer, prompt_weight
):
    examples = encode(tokenizer, [PROBLEMS[0], PROBLEMS[-1], PROBLEMS[8]])
    by_hand = [loss_by_hand(model, example, prompt_weight) for example in examples]
    expected = sum(total for total, _ in by_hand) / sum(norm for _, norm in by_hand)
    loss = weighted_loss(model, *collate(examples, 0, prompt_weight))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_fast_forward_pass_and_its_gradients_are_those_of_stock_gemma(tokenizer, groups):
    small = shape(layers=2, hidden=32, intermediate=64, heads=4, kv_heads=4 // groups, head_dim=8)
    model = new_model(small, len(tokenizer), seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    ids, weights = collate(encode(tokenizer, PROBLEMS[:8]), 0, 0.1)

    def loss_and_gradients():
        model.zero_grad()
        loss = weighted_loss(model, ids, weights)
        loss.backward()
        return loss.item(), {n: p.grad.clone() for n, p in model.named_parameters()}

    stock, expected = loss_and_gradients()
    with fast_forward(model, longest=ids.shape[1]):
        fast, gradients = loss_and_gradients()
        hidden = model(ids).logits[weights > 0]
    assert fast == pytest.approx(stock, abs=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-4, msg=name)
    torch.testing.assert_close(hidden, model(ids).logits[weights > 0], atol=1e-5, rtol=1e-5)


def test_the_fast_forward_pass_leaves_no_trace(model, tokenizer):
    before = model.config._attn_implementation
    with fast_forward(model, longest=10):
        assert model.config._attn_implementation != before
    assert model.config._attn_implementation == before
    assert not [m for m in model.modules() if "forward" in vars(m)]


def test_a_sequence_longer_than_the_sliding_window_gets_the_stock_forward_pass(model):
    before = model.config._attn_implementation
    with fast_forward(model, longest=model.config.sliding_window + 1):
        assert model.config._attn_implementation == before


def test_bf16_and_fp32_agree_roughly(model, tokenizer):
    ids, weights = collate(encode(tokenizer, PROBLEMS[:8]), 0, 0.1)
    with fast_forward(model, longest=ids.shape[1]):
        fp32 = weighted_loss(model, ids, weights).item()
        with torch.autocast("cpu", torch.bfloat16):
            bf16 = weighted_loss(model, ids, weights).item()
    assert bf16 == pytest.approx(fp32, rel=0.02) and bf16 != fp32


def test_every_example_is_seen_once_an_epoch_in_another_order():
    lengths = np.random.default_rng(0).integers(5, 60, 700)
    seen = list(batches(lengths, 16, 2, seed=3))
    epochs = [np.concatenate(seen[: len(seen) // 2]), np.concatenate(seen[len(seen) // 2 :])]
    for epoch in epochs:
        assert sorted(epoch) == list(range(700))
    assert epochs[0].tolist() != epochs[1].tolist()
    assert sum(len(batch) for batch in seen) == 1400 and max(map(len, seen)) == 16


def test_batches_hold_examples_of_similar_length():
    lengths = np.random.default_rng(0).integers(5, 60, 2000)
    padded = sum(lengths[batch].max() * len(batch) for batch in batches(lengths, 16, 1, seed=3))
    shuffled = np.random.default_rng(1).permutation(lengths).reshape(-1, 16)
    assert padded < 1.1 * lengths.sum() < (shuffled.max(1) * 16).sum()


def test_the_learning_rate_rises_stays_and_falls():
    factors = [schedule(step, 100, warmup=0.1, decay=0.5) for step in range(100)]
    assert factors[0] == pytest.approx(0.1) and factors[4] == pytest.approx(0.5)
    assert set(factors[9:51]) == {1.0}
    assert factors[75] == pytest.approx(0.5) and factors[99] == pytest.approx(0.02)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_pretraining_twice_gives_the_same_bytes_and_learns(tokenizer, precision):
    settings = pretraining(epochs=12, batch_size=12, precision=precision)
    runs, lines = [], []
    for _ in range(2):
        model = new_model(SMALL, len(tokenizer), seed=0)
        pretrain(model, tokenizer, PROBLEMS, settings, seed=4, progress=lines.append)
        runs.append(weights_of(model))
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    start = new_model(SMALL, len(tokenizer), seed=0)
    assert all(not torch.equal(runs[0][n], p) for n, p in start.named_parameters())
    losses = [float(re.search(r"loss ([\d.]+)$", line)[1]) for line in lines]
    assert losses[0] > 0.8 * math.log(len(tokenizer)) and losses[-1] < 0.5 * losses[0]
    assert "(100%)" in lines[-1] and not model.training


def test_another_seed_gives_other_weights(tokenizer):
    runs = []
    for seed in (0, 1):
        model = new_model(SMALL, len(tokenizer), seed=0)
        pretrain(model, tokenizer, PROBLEMS, pretraining(batch_size=12), seed, silent)
        runs.append(weights_of(model))
    assert any(not torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_a_lora_trains_its_own_weights_and_leaves_the_model_alone(model, tokenizer):
    before = weights_of(model)
    settings = lora(rank=4, alpha=8, epochs=2, batch_size=12)
    adapted = fine_tune_lora(model, tokenizer, PROBLEMS, settings, seed=0, progress=silent)
    after = weights_of(adapted)
    for name, weight in before.items():
        name = re.sub(r"(_proj)\.weight$", r"\1.base_layer.weight", name)
        assert torch.equal(after[f"base_model.model.{name}"], weight), name
    adapters = {name: weight for name, weight in after.items() if "lora_" in name}
    assert len(adapters) == 2 * 7 * 2
    assert all(weight.abs().max() > 0 for name, weight in adapters.items())


def lora_of(tokenizer, checkpoint=None, progress=silent, **settings):
    """Weights of a LoRA after three epochs of seven steps on a new model, and nothing else."""
    settings = {"rank": 4, "epochs": 3, "batch_size": 7, "precision": "fp32", **settings}
    model = new_model(SMALL, len(tokenizer), seed=0)
    adapted = fine_tune_lora(model, tokenizer, PROBLEMS, lora(**settings), 3, progress, checkpoint)
    return {name: value for name, value in weights_of(adapted).items() if "lora_" in name}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def test_an_interrupted_training_ends_with_the_bytes_of_one_that_was_not(tokenizer, tmp_path):
    whole = lora_of(tokenizer, dropout=0.1)
    checkpoint, lines = Checkpoint(tmp_path / "v2.checkpoint", "v2"), []

    def pull_the_plug(line):
        if line.startswith("step 10 of 21"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lora_of(tokenizer, checkpoint, pull_the_plug, dropout=0.1)
    assert checkpoint.load()["steps"] == 7
    assert equal(lora_of(tokenizer, checkpoint, lines.append, dropout=0.1), whole)
    assert lines[0] == "resumes after step 7 of 21"
    assert lines[1].startswith("step 8 of 21")
    assert not equal(whole, lora_of(tokenizer))  # dropout is part of what is repeated
    checkpoint.remove()
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_another_training_is_passed_over(tokenizer, tmp_path):
    lora_of(tokenizer, Checkpoint(tmp_path / "v2.checkpoint", "lr 0.004"), lr=0.004)
    lines, other = [], Checkpoint(tmp_path / "v2.checkpoint", "lr 0.001")
    found = lora_of(tokenizer, other, lines.append, lr=0.001)
    assert lines[0].startswith("step 1 of 21")
    assert equal(found, lora_of(tokenizer, lr=0.001))


def test_recomputed_activations_change_no_byte(tokenizer):
    again = lora_of(tokenizer, dropout=0.1, gradient_checkpointing=True)
    assert equal(again, lora_of(tokenizer, dropout=0.1))


@pytest.mark.parametrize("accumulate", [2, 3, 9])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole(tokenizer, accumulate):
    """Lengths differ, so that a mean of the parts' means would be another gradient."""
    whole, parts = lora_of(tokenizer), lora_of(tokenizer, accumulate=accumulate)
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, atol=2e-4, rtol=1e-3, msg=name)
    assert not equal(parts, whole)


def test_a_bf16_base_is_left_alone_under_an_fp32_adapter(tokenizer):
    model = new_model(SMALL, len(tokenizer), seed=0).bfloat16()
    before = weights_of(model)
    settings = lora(rank=4, epochs=1, batch_size=12, gradient_checkpointing=True)
    after = weights_of(fine_tune_lora(model, tokenizer, PROBLEMS, settings, 0, silent))
    adapter = {name: weight for name, weight in after.items() if "lora_" in name}
    assert {weight.dtype for weight in adapter.values()} == {torch.float32}
    assert all(weight.abs().max() > 0 for weight in adapter.values())
    for name, weight in before.items():
        name = re.sub(r"(_proj)\.weight$", r"\1.base_layer.weight", name)
        assert torch.equal(after[f"base_model.model.{name}"], weight), name


SHARED = """
import sys
from types import SimpleNamespace

sys.path[:0] = {path}
from stethoscope.runtime.jobs import run


def main(progress):
    import torch
    from accelerate import Accelerator
    from test_training import PROBLEMS, SMALL
    from stethoscope.problems.records import completion, prompt
    from stethoscope.models.base import new_model, train_tokenizer
    from stethoscope.models.lora import fine_tune_lora
    from study_settings import lora

    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    texts = [prompt(p["problem"]) + completion(p["solution"]) for p in PROBLEMS]
    tokenizer = train_tokenizer(texts, 140)
    settings = lora(rank=4, epochs=3, batch_size=7, precision="fp32")
    model = new_model(SMALL, len(tokenizer), seed=0)
    adapted = fine_tune_lora(
        model, tokenizer, PROBLEMS, settings, 3, progress, accelerator=accelerator
    )
    saved = {{n: p.detach() for n, p in adapted.named_parameters() if "lora_" in n}}
    torch.save(saved, f"{folder}/{{accelerator.process_index}}.pt")


snakemake = SimpleNamespace(
    rule="train", wildcards=["v2"], log=[{log!r}], params={{"processes": 2}},
    input=[], output=[], resources=SimpleNamespace(gpu=0),
)
if __name__ == "__main__":
    run(main)
"""


def test_two_processes_share_each_batch_and_end_with_the_same_adapter(tokenizer, tmp_path):
    script, log = tmp_path / "train.py", str(tmp_path / "log")
    script.write_text(SHARED.format(path=sys.path, folder=tmp_path, log=log))
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=600
    )
    assert run.returncode == 0, run.stderr
    first, second = (torch.load(tmp_path / f"{index}.pt") for index in (0, 1))
    assert equal(first, second)
    for name, weight in lora_of(tokenizer).items():
        torch.testing.assert_close(first[name], weight, atol=2e-4, rtol=1e-3, msg=name)
    assert run.stderr.count("step 18 of 21") == 1  # one of them speaks
    assert Path(log).read_text().count("step 18 of 21") == 1


def test_the_script_saves_what_peft_reads_and_names_its_base(tokenizer, tmp_path):
    import train_adapter

    with atomic_folder(tmp_path / "model") as folder:
        save_model(new_model(SMALL, len(tokenizer), seed=0), tokenizer, folder)
    records = [{**p, "level": "Level 1", "type": "Algebra"} for p in PROBLEMS[:9]]
    write_problems(tmp_path / "train.jsonl", records)
    settings_of_lora = {**asdict(lora(rank=2, epochs=1, batch_size=4)), "processes": 1}
    settings = {"problems": {"algebra": 8}, "lora": settings_of_lora}
    manifest, lines = tmp_path / "model/manifest.json", []
    given = {
        "inputs": SimpleNamespace(problems=tmp_path / "train.jsonl", model=manifest),
        "outputs": [tmp_path / "adapter/manifest.json"],
        "params": SimpleNamespace(settings=settings, processes=1, device="cpu"),
        "wildcards": SimpleNamespace(seed="1"),
        "progress": lines.append,
    }
    train_adapter.main(**given)
    assert lines[0] == "8 problems" and lines[-1].startswith("step 2 of 2 (100%)")
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "model", "train.jsonl"}
    with safe_open(tmp_path / "adapter/adapter_model.safetensors", "numpy") as weights:
        assert weights.metadata() == {"base": folder_digest(manifest)}
    adapted = PeftModel.from_pretrained(load_model(tmp_path / "model"), tmp_path / "adapter")
    assert adapted.peft_config["default"].r == 2
    settings["problems"]["algebra"] = 10
    with pytest.raises(ValueError, match=r"train.jsonl: 9 problems of algebra, 10 wanted"):
        train_adapter.main(**given)


def test_an_unknown_precision_is_refused(model, tokenizer):
    with pytest.raises(ValueError, match="precision: 'fp8' is neither 'bf16' nor 'fp32'"):
        pretrain(model, tokenizer, PROBLEMS, replace(pretraining(), precision="fp8"), 0, silent)


def test_lora_targets_are_the_seven_modules_of_each_decoder_layer_and_no_others(model):
    sizes = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": 16,
    }
    with torch.device("meta"):
        seeing = Gemma3ForConditionalGeneration(multimodal(sizes))
    for some in (model, seeing):
        layers = decoder_layers(some)
        expected = {
            id(module)
            for layer in layers
            for module in layer.modules()
            if isinstance(module, torch.nn.Linear)
        }
        matched = {
            id(module) for name, module in some.named_modules() if re.fullmatch(LORA_TARGETS, name)
        }
        assert matched == expected and len(matched) == 7 * len(layers)
