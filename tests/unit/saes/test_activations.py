"""Residuals come from the layers themselves, real tokens only, and sums are plain sums."""

import numpy as np
import pytest
import torch

from stethoscope.models.base import decoder_layers, load_model
from stethoscope.problems.records import completion, prompt
from stethoscope.saes import activations
from stethoscope.saes.activations import encode, sum_by_problem
from stethoscope.saes.formats import Encoder
from stethoscope.saes.residuals import StoredResiduals, residuals, store_residuals


@pytest.fixture(scope="module")
def texts(problems):
    """Texts of several lengths."""
    return [prompt(p["problem"]) + completion(p["solution"]) for p in problems[5:23:3]]


@pytest.fixture(scope="module")
def encoders():
    generator = np.random.default_rng(1)
    return {
        layer: Encoder(
            generator.normal(size=(32, 8)).astype(np.float32),
            generator.normal(size=8).astype(np.float32),
            generator.random(8).astype(np.float32),
        )
        for layer in range(3)
    }


def one_by_one(tiny, texts) -> list[tuple[list[int], tuple[torch.Tensor, ...]]]:
    """Token ids and hidden states (embedding, layers; the last after the norm) without padding."""
    found = []
    for text in texts:
        ids = tiny.tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            states = tiny.model(ids, output_hidden_states=True).hidden_states
        found.append((ids[0].tolist(), tuple(state[0] for state in states)))
    return found


def collected(tiny, texts, batch_size=64):
    """Rows and streams of all batches."""
    parts = list(residuals(tiny.model, tiny.tokenizer, texts, batch_size))
    streams = {layer: torch.cat([s[layer] for _, s in parts]) for layer in range(3)}
    return np.concatenate([rows for rows, _ in parts]), streams


def summed(tiny, texts, subjects, encoders, batch_size=64):
    """Sums of each layer that has an encoder."""
    parts = list(residuals(tiny.model, tiny.tokenizer, texts, batch_size))
    return {
        layer: sum_by_problem([(rows, s[layer]) for rows, s in parts], subjects, encoder)
        for layer, encoder in encoders.items()
    }


def test_tokens_come_in_order_without_padding_and_special_tokens(tiny, texts):
    rows, streams = collected(tiny, texts, batch_size=4)
    singles = one_by_one(tiny, texts)
    lengths = [len(ids) - 1 for ids, _ in singles]  # BOS is not counted
    assert len(set(lengths)) > 2
    assert rows.tolist() == [number for number, n in enumerate(lengths) for _ in range(n)]
    assert tiny.tokenizer.padding_side == "left"  # generation's side stays as it was
    for layer in (0, 1):
        expected = torch.cat([states[layer + 1][1:] for _, states in singles])
        torch.testing.assert_close(streams[layer], expected, rtol=1e-4, atol=1e-4)
        assert streams[layer].dtype == torch.float32


def test_long_texts_come_in_smaller_batches_of_the_same_residuals(tiny, texts):
    longest = max(len(tiny.tokenizer(text)["input_ids"]) for text in texts)
    whole = collected(tiny, texts)
    parts = list(residuals(tiny.model, tiny.tokenizer, texts, tokens=2 * longest))
    assert [len(np.unique(rows)) for rows, _ in parts] == [2] * (len(texts) // 2)
    alone = list(residuals(tiny.model, tiny.tokenizer, texts, tokens=1))
    assert len(alone) == len(texts)
    for found in (parts, alone):
        assert np.concatenate([rows for rows, _ in found]).tolist() == whole[0].tolist()
        for layer in range(3):
            stream = torch.cat([streams[layer] for _, streams in found])
            torch.testing.assert_close(stream, whole[1][layer], rtol=1e-4, atol=1e-4)


def test_an_end_token_within_a_text_is_not_counted(tiny, texts):
    rows, _ = collected(tiny, [texts[0], texts[0] + "<eos>"])
    assert np.bincount(rows).tolist() == [len(rows) // 2] * 2


def test_what_pads_a_text_leaves_its_residuals_bit_by_bit(tiny):
    short, long, other = "What is 3 + 4?", "What is 3 + 4? 3 + 4 = 7.", "What is 5 + 1? 2 + 6 = 8."
    assert len(tiny.tokenizer.tokenize(long)) == len(tiny.tokenizer.tokenize(other))
    n = len(tiny.tokenizer.tokenize(short))
    _, beside_long = collected(tiny, [short, long])
    _, beside_other = collected(tiny, [short, other])
    _, alone = collected(tiny, [short])
    for layer in range(3):
        assert torch.equal(beside_long[layer][:n], beside_other[layer][:n])
        # The longer text begins with the short one, whose tokens see no padding in it.
        torch.testing.assert_close(beside_long[layer][:n], beside_long[layer][n : 2 * n])
        torch.testing.assert_close(beside_long[layer][:n], alone[layer], rtol=1e-5, atol=1e-5)


def test_hooks_are_gone_afterwards_even_when_nobody_reads_on(tiny, texts):
    def hooks() -> list[int]:
        return [len(layer._forward_hooks) for layer in decoder_layers(tiny.model)]

    before = hooks()  # transformers keeps some of its own
    batches = residuals(tiny.model, tiny.tokenizer, texts, batch_size=1)
    next(batches)
    assert hooks() == [count + 1 for count in before]
    batches.close()
    assert hooks() == before


def test_sums_counts_and_maxima_are_those_of_a_loop_over_tokens(tiny, texts, encoders):
    found = summed(tiny, texts, [0, 1, 2, 0, 1, 2], encoders)
    singles = one_by_one(tiny, texts)
    for layer in (0, 1):
        encoder, sums = encoders[layer], found[layer]
        assert sums.tokens.tolist() == [len(ids) - 1 for ids, _ in singles]
        assert sums.subjects.tolist() == [0, 1, 2, 0, 1, 2] and sums.n_features == 8
        dense = {kind: np.zeros((6, 8)) for kind in ("sums", "fires", "maxima")}
        for problem, (_, states) in enumerate(singles):
            for token in states[layer + 1][1:].numpy().astype(float):
                for feature in range(8):
                    pre = token @ encoder.w_enc[:, feature] + encoder.b_enc[feature]
                    if pre > encoder.threshold[feature]:
                        dense["sums"][problem, feature] += pre
                        dense["fires"][problem, feature] += 1
                        dense["maxima"][problem, feature] = max(
                            pre, dense["maxima"][problem, feature]
                        )
        rows = np.repeat(np.arange(6), np.diff(sums.indptr))
        for kind, expected in dense.items():
            ours = np.zeros((6, 8))
            ours[rows, sums.indices] = getattr(sums, kind)
            np.testing.assert_allclose(ours, expected, rtol=1e-4)
        assert (sums.fires > 0).all() and 0 < len(sums.sums) <= 48
        np.testing.assert_allclose(
            sums.token_means(), dense["sums"] / sums.tokens[:, None], rtol=1e-4
        )


def test_a_spike_at_the_bos_token_changes_no_sum(tiny, texts, encoders):
    def spike(_module, _inputs, output):
        output = output.clone()
        output[:, 0] += 1e6
        return output

    last = {2: encoders[2]}
    before = summed(tiny, texts, [0] * 6, last)[2]
    handle = decoder_layers(tiny.model)[2].register_forward_hook(spike)
    try:
        after = summed(tiny, texts, [0] * 6, last)[2]
    finally:
        handle.remove()
    for field in ("indptr", "indices", "sums", "fires", "maxima", "tokens"):
        np.testing.assert_array_equal(getattr(before, field), getattr(after, field))


def test_several_batches_give_what_one_gives(tiny, texts, encoders):
    whole = summed(tiny, texts, [0] * 6, encoders)
    parts = summed(tiny, texts, [0] * 6, encoders, batch_size=4)
    for layer, sums in whole.items():
        np.testing.assert_array_equal(parts[layer].tokens, sums.tokens)
        np.testing.assert_allclose(parts[layer].token_means(), sums.token_means(), rtol=1e-4)


def test_activations_are_summed_in_parts_that_fit_into_memory(tiny, texts, encoders, monkeypatch):
    whole = summed(tiny, texts, [0] * 6, encoders)
    monkeypatch.setattr(activations, "_ENTRIES", 5 * 8)  # five tokens
    for layer, sums in summed(tiny, texts, [0] * 6, encoders).items():
        for field in ("indices", "fires", "tokens"):
            np.testing.assert_array_equal(getattr(sums, field), getattr(whole[layer], field))
        for field in ("sums", "maxima"):
            np.testing.assert_allclose(
                getattr(sums, field), getattr(whole[layer], field), rtol=1e-5
            )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stored_residuals_come_back_bit_by_bit(tiny, texts, tmp_path, dtype):
    model = load_model(tiny.folder, dtype)
    parts = list(residuals(model, tiny.tokenizer, texts, batch_size=4))
    stored = store_residuals(iter(parts), tmp_path)
    assert isinstance(stored, StoredResiduals) and stored.dtype == dtype
    for layer in range(3):
        for (rows, streams), (numbers, stream) in zip(parts, stored.of_layer(layer), strict=True):
            np.testing.assert_array_equal(rows, numbers)
            assert torch.equal(stream, streams[layer]) and stream.dtype == dtype


def test_a_text_without_real_tokens_is_refused(tiny, texts):
    with pytest.raises(ValueError, match="text 2 has no tokens but special ones"):
        collected(tiny, [*texts[:2], "", texts[3]], batch_size=2)


def test_encoding_needs_no_particular_precision_of_the_stream(encoders):
    stream = torch.randn(5, 32, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(encode(encoders[0], stream), encode(encoders[0], stream.float()))
