"""Base models: saved and loaded whole, tokenized as Gemma does, decoder layers found."""

import json
import shutil

import pytest
import torch
from hub_files import multimodal
from safetensors.torch import load_file, save_file
from study_settings import shape
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3ForConditionalGeneration,
)

from stethoscope.models.base import (
    decoder_layers,
    load_model,
    load_tokenizer,
    new_model,
    save_model,
    train_tokenizer,
)

TEXTS = [
    f"Problem:\nWhat is {a} + {b}?\n\nSolution: {a} + {b} = \\boxed{{{a + b}}}"
    for a in range(20)
    for b in range(20)
]
SMALL = shape(layers=3, hidden=32, intermediate=64, heads=2, kv_heads=1, head_dim=16)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 160)


@pytest.fixture(scope="module")
def model(tokenizer):
    return new_model(SMALL, len(tokenizer), seed=0)


@pytest.fixture(scope="module")
def saved(model, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_model(model, tokenizer, folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def logits(model, tokenizer):
    with torch.no_grad():
        return model(**tokenizer(TEXTS[:3], return_tensors="pt", padding=True)).logits


def test_text_comes_back_unchanged_from_the_tokenizer(tokenizer):
    odd = "  two  spaces, (tabs) {x}^2_i \\frac{1}{2}:\n\n a~b|c  "
    for text in [TEXTS[7], odd]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.unk_token_id not in ids


def test_special_tokens_have_the_ids_of_gemma(tokenizer):
    names = ["<pad>", "<eos>", "<bos>", "<unk>"]
    assert tokenizer.convert_tokens_to_ids(names) == [0, 1, 2, 3]
    assert [tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token] == names[:3]


def test_bos_comes_first_once_and_only_if_asked_for(tokenizer):
    ids = tokenizer(TEXTS[0])["input_ids"]
    assert ids[0] == 2 and ids.count(2) == 1
    assert tokenizer(TEXTS[0], add_special_tokens=False)["input_ids"] == ids[1:]


def test_each_digit_is_a_token_of_its_own(tokenizer):
    tokens = tokenizer.tokenize("12345 + 12345 = 111")
    assert [t for t in tokens if any(c.isdigit() for c in t)] == list("1234512345111")
    assert not [t for t in tokenizer.get_vocab() if len(t) > 1 and any(c.isdigit() for c in t)]


@pytest.mark.parametrize("solution", [" 3 + 4", " We", " \\boxed{7}", " (1, 2)", " -5", " x = 1"])
def test_tokens_of_the_prompt_do_not_depend_on_the_solution(tokenizer, solution):
    prompt = "Problem:\nWhat is 3 + 4?\n\nSolution:"
    ids = tokenizer(prompt)["input_ids"]
    assert tokenizer(prompt + solution)["input_ids"][: len(ids)] == ids


def test_padding_is_on_the_left(tokenizer):
    ids = tokenizer(["1", "1 + 1"], padding=True)["input_ids"]
    assert ids[0][0] == 0 and ids[1][0] == 2


def test_the_same_texts_give_the_same_tokenizer_byte_for_byte(tmp_path):
    # The trainer's hash maps are seeded anew each time, so an order that leaks out would show.
    written = []
    for run in range(5):
        train_tokenizer(TEXTS, 160).save_pretrained(tmp_path / str(run))
        written.append((tmp_path / str(run) / "tokenizer.json").read_bytes())
    assert len(set(written)) == 1


def test_a_vocabulary_too_small_for_the_alphabet_is_refused():
    with pytest.raises(ValueError, match="vocab_size: 50 is too small"):
        train_tokenizer(TEXTS, 50)


def test_a_new_model_has_the_shape_and_ids_asked_for(model, tokenizer):
    layer = decoder_layers(model)[0]
    assert len(decoder_layers(model)) == 3
    assert tuple(layer.self_attn.q_proj.weight.shape) == (2 * 16, 32)
    assert tuple(layer.self_attn.k_proj.weight.shape) == (1 * 16, 32)
    assert tuple(layer.mlp.down_proj.weight.shape) == (32, 64)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.generation_config.eos_token_id == 1 == model.config.eos_token_id


def test_a_seed_fixes_the_first_weights_and_leaves_the_global_generator_alone(model, tokenizer):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    again, other = (new_model(SMALL, len(tokenizer), seed) for seed in (0, 1))
    assert torch.equal(torch.rand(1), expected)
    weight = model.lm_head.weight
    assert torch.equal(again.lm_head.weight, weight)
    assert not torch.equal(other.lm_head.weight, weight)


def test_a_saved_model_computes_the_same_after_loading(model, tokenizer, saved):
    loaded = load_model(saved)
    assert torch.equal(logits(loaded, load_tokenizer(saved)), logits(model, tokenizer))
    assert load_model(saved, torch.bfloat16).dtype == torch.bfloat16


def test_transformers_loads_the_directory_without_our_code(model, tokenizer, saved):
    auto = AutoModelForCausalLM.from_pretrained(saved, local_files_only=True)
    theirs = AutoTokenizer.from_pretrained(saved, local_files_only=True)
    assert torch.equal(logits(auto.eval(), theirs), logits(model, tokenizer))
    assert theirs.padding_side == "left"


def test_saving_a_used_and_reloaded_model_writes_the_same_bytes(saved, tmp_path):
    tokenizer = load_tokenizer(saved)
    tokenizer(TEXTS[:3], padding=True, truncation=True, max_length=5)
    save_model(load_model(saved), tokenizer, tmp_path)
    files = sorted(path.name for path in saved.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    for name in files:
        assert (tmp_path / name).read_bytes() == (saved / name).read_bytes(), name
        assert str(saved).encode() not in (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda w: w.pop("model.layers.1.mlp.up_proj.weight"), "missing .*layers.1.mlp.up_proj"),
        (lambda w: w.update(extra=torch.zeros(1)), "unexpected parameter extra"),
        (
            lambda w: w.update({"model.norm.weight": torch.zeros(5)}),
            r"model.norm.weight is \(5,\), config.json expects \(32,\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_an_error_of_one_line(copy, change, message):
    file = copy / "model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=message) as caught:
        load_model(copy)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_directory_that_lacks_a_file_is_an_error_of_one_line(copy, name):
    (copy / name).unlink()
    with pytest.raises(ValueError, match=name) as caught:
        load_model(copy)
    assert str(copy) in str(caught.value) and "\n" not in str(caught.value)


def test_a_pickled_checkpoint_is_not_read(model, copy):
    (copy / "model.safetensors").unlink()
    torch.save(model.state_dict(), copy / "pytorch_model.bin")
    with pytest.raises(ValueError, match="model.safetensors"):
        load_model(copy)


def test_a_missing_tokenizer_is_an_error_of_one_line(copy):
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="no tokenizer.json") as caught:
        load_tokenizer(copy)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_a_padding_token_pads_with_its_end_token(copy):
    config = copy / "tokenizer_config.json"
    content = json.loads(config.read_text())
    del content["pad_token"]
    config.write_text(json.dumps(content))
    tokenizer = load_tokenizer(copy)
    padded = tokenizer(["1", "1 + 1"], padding=True, padding_side="right")
    assert padded["input_ids"][0][-1] == tokenizer.eos_token_id == 1
    assert padded["attention_mask"][0][-1] == 0


def test_decoder_layers_are_those_of_the_language_model_never_of_the_vision_tower(seeing):
    layers = decoder_layers(seeing)
    assert len(layers) == 2
    names = {id(module): name for name, module in seeing.named_modules()}
    assert [names[id(layer)] for layer in layers] == [
        "model.language_model.layers.0",
        "model.language_model.layers.1",
    ]


@pytest.fixture(scope="module")
def seeing():
    text = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": 16,
    }
    with torch.device("meta"):
        return Gemma3ForConditionalGeneration(multimodal(text))
