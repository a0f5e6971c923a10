"""Greedy decoding gives the tokens of transformers' own, with less work."""

import pytest

from stethoscope.evaluation.decoding import Stop, decode_greedily
from stethoscope.problems.records import prompt

CAP = 24


@pytest.fixture(scope="module")
def batch(tiny, problems):
    """Token ids and mask of prompts of several lengths, padded on the left."""
    texts = [prompt(record["problem"]) for record in problems[::3]]
    texts += [prompt("And " + record["problem"]) for record in problems[1::9]]
    tiny.tokenizer.padding_side = "left"
    encoded = tiny.tokenizer(texts, return_tensors="pt", padding=True)
    assert not encoded["attention_mask"].all()
    return encoded["input_ids"], encoded["attention_mask"]


@pytest.fixture(scope="module")
def plain(tiny, batch):
    """What `generate` gives, each completion up to its end token."""
    ids, mask = batch
    output = tiny.model.generate(
        ids,
        attention_mask=mask,
        max_new_tokens=CAP,
        do_sample=False,
        pad_token_id=tiny.tokenizer.pad_token_id,
    )
    completions, end = [], tiny.tokenizer.eos_token_id
    for row in output[:, ids.shape[1] :].tolist():
        completions.append(row[: row.index(end) + 1] if end in row else row)
    return completions


def decode(tiny, batch, texts=(), cap=CAP):
    stop = Stop.of(tiny.model, tiny.tokenizer, texts)
    return decode_greedily(tiny.model, *batch, stop, cap)


def test_tokens_are_those_of_generate(tiny, batch, plain):
    assert len({len(tokens) for tokens in plain}) > 3
    assert decode(tiny, batch) == plain


def test_a_completion_does_not_depend_on_the_others_of_its_batch(tiny, batch, plain):
    ids, mask = batch
    for row in range(0, len(ids), 5):
        one = ids[row : row + 1, mask[row].bool()], mask[row : row + 1, mask[row].bool()]
        assert decode(tiny, one) == [plain[row]]


def test_finished_rows_leave_the_batch(tiny, batch, plain):
    rows = []
    hook = tiny.model.register_forward_pre_hook(
        lambda model, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    try:
        decode(tiny, batch)
    finally:
        hook.remove()
    # Step s decodes the rows whose completion has more than s tokens, and at most a tenth besides.
    needed = [sum(len(tokens) > step for tokens in plain) for step in range(max(map(len, plain)))]
    assert len(rows) == len(needed)
    for decoded, going in zip(rows, needed, strict=True):
        assert decoded == going or 0.9 * decoded < going < decoded
    assert rows[-1] < rows[0]


@pytest.mark.parametrize("text", ["boxed", "= 1", "5."])
def test_a_completion_ends_with_the_token_that_completes_a_stop_text(tiny, batch, plain, text):
    expected, stopped = [], 0
    for tokens in plain:
        cut = next(
            (n for n in range(1, len(tokens) + 1) if text in tiny.tokenizer.decode(tokens[:n])),
            None,
        )
        stopped += cut is not None and cut < len(tokens)
        expected.append(tokens[:cut] if cut else tokens)
    assert stopped
    assert decode(tiny, batch, [text]) == expected


def test_the_cap_cuts_and_a_stop_at_the_cap_counts_as_reached(tiny, batch, plain):
    stop = Stop.of(tiny.model, tiny.tokenizer, [])
    cap = sorted(map(len, plain))[len(plain) // 2]
    completions = decode(tiny, batch, cap=cap)
    assert completions == [tokens[:cap] for tokens in plain]
    assert {stop.reached(tokens) for tokens in completions} == {True, False}
    assert any(len(tokens) == cap and stop.reached(tokens) for tokens in completions)


def test_each_end_token_of_the_model_ends_a_completion(tiny, batch, plain):
    """Gemma-3-it has two: <eos> and <end_of_turn>."""
    other = tiny.tokenizer.encode("=", add_special_tokens=False)[-1]
    assert any(other in tokens[:-1] for tokens in plain)
    config, before = tiny.model.generation_config, tiny.model.generation_config.eos_token_id
    config.eos_token_id = [tiny.tokenizer.eos_token_id, other]
    try:
        completions = decode(tiny, batch)
    finally:
        config.eos_token_id = before
    assert completions == [
        tokens[: tokens.index(other) + 1] if other in tokens else tokens for tokens in plain
    ]
