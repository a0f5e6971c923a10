"""Checkpoints in the layouts of the hub: Gemma 3 with vision, its text-only class, Llama 3.1."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_files import multimodal, save_in_two_shards
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

from stethoscope.edits.apply import edited
from stethoscope.edits.files import read_edit, save_edit
from stethoscope.edits.projection import NORMS
from stethoscope.models.base import decoder_layers, load_model, train_tokenizer
from stethoscope.models.lora import LORA_TARGETS
from stethoscope.models.parameter_names import in_memory, on_disk
from stethoscope.models.weights import read_weights, weight_shapes
from stethoscope.runtime.files import MANIFEST, folder_digest, folder_digests, write_json
from stethoscope.saes.residuals import residuals
from stethoscope.task_vectors.adapter import extract_task_vector
from stethoscope.task_vectors.delta import Dense
from stethoscope.task_vectors.task_vector import TaskVector, layer_of, scaled

LAYERS = 3
TEXTS = ["1 + 2 = 3", "What is 12 + 7?"]
SHAPE = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
}
# Each layout: how its files begin the name of a decoder layer.
ON_DISK = {
    "multimodal": "language_model.model.layers.",
    "multimodal_in_memory": "model.language_model.layers.",
    "text": "model.layers.",
    "llama": "model.layers.",
}


def new(layout: str):
    torch.manual_seed(0)
    if layout == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=False))
    elif layout == "text":
        model = Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE))
    else:
        model = Gemma3ForConditionalGeneration(multimodal(SHAPE))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:  # norms, which all start alike
                parameter.normal_(std=0.3)
            parameter.copy_(parameter.bfloat16())
    return model.eval()


def written(layout: str, folder: Path) -> Path:
    """A checkpoint as on the hub: bf16, two shards and an index, tied embeddings left out."""
    save_in_two_shards(new(layout), folder)
    if layout.startswith("multimodal"):
        respell(folder, layout)
    write_json(folder / MANIFEST, {"files": folder_digests(folder)})
    return folder


def respell(folder: Path, layout: str) -> None:
    """The hub's vision keys have a level that transformers 5 drops; some tools write others."""

    def name(key: str) -> str:
        if key.startswith("vision_tower.") and "vision_model" not in key:
            return key.replace("vision_tower.", "vision_tower.vision_model.")
        if layout == "multimodal_in_memory":
            return key.replace("language_model.model.", "model.language_model.")
        return key

    for shard in folder.glob("*.safetensors"):
        save_file({name(k): v for k, v in load_file(shard).items()}, shard, {"format": "pt"})
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"] = {name(k): v for k, v in content["weight_map"].items()}
    index.write_text(json.dumps(content))


@pytest.fixture(scope="module", params=ON_DISK)
def layout(request):
    return request.param


@pytest.fixture(scope="module")
def base(layout, tmp_path_factory) -> Path:
    return written(layout, tmp_path_factory.mktemp(layout) / "model")


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 128)


def trained(model, base: Path, folder: Path) -> PeftModel:
    """An adapter as training would leave it, saved beside the base that it was made for."""
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=6, target_modules=LORA_TARGETS, task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
    adapted.save_pretrained(folder)
    weights = folder / "adapter_model.safetensors"
    save_file(load_file(weights), weights, {"base": folder_digest(base / MANIFEST)})
    return adapted


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    trained(load_model(base), base, folder)
    return folder


def logits(model, tokenizer) -> torch.Tensor:
    encoded = tokenizer(TEXTS, return_tensors="pt", padding=True)
    with torch.no_grad():
        return model(**encoded).logits


def test_files_spell_their_keys_as_the_hub_does(layout, base):
    shapes = weight_shapes(base)
    assert f"{ON_DISK[layout]}0.self_attn.q_proj.weight" in shapes
    assert len(list(base.glob("*.safetensors"))) == 2
    assert ("lm_head.weight" in shapes) == (layout == "llama")  # tied where Gemma's


def test_a_loaded_checkpoint_holds_exactly_the_weights_of_its_files(layout, base, tokenizer):
    model = load_model(base)
    for name, weight in new(layout).named_parameters():
        assert torch.equal(model.get_parameter(name), weight), name
    assert torch.equal(logits(model, tokenizer), logits(new(layout), tokenizer))


def test_the_multimodal_files_are_no_text_only_model(tmp_path):
    folder = written("multimodal", tmp_path / "model")
    text = json.loads((folder / "config.json").read_text())["text_config"]
    architecture = {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text"}
    (folder / "config.json").write_text(json.dumps(text | architecture))
    with pytest.raises(ValueError, match="missing parameter .* not the weights of the Gemma3For"):
        load_model(folder)


def test_names_on_disk_and_in_memory_are_one_parameter(layout, base):
    model, shapes = load_model(base), weight_shapes(base)
    names = {id(module): name for name, module in model.named_modules()}
    for number, layer in enumerate(decoder_layers(model)):
        for part in NORMS:
            name = f"{names[id(layer)]}.{part}"
            on_file = f"{ON_DISK[layout]}{number}.{part}"
            assert on_disk(name, shapes) == on_file and in_memory(on_file) == name
            assert in_memory(name) == name and on_disk(on_file, shapes) == on_file
            stored = read_weights(base, [on_file])[on_file]
            assert stored.dtype == np.float32
            np.testing.assert_array_equal(stored, model.get_parameter(f"{name}.weight").detach())


def test_other_names_are_left_as_they_are(base):
    vision = "model.vision_tower.encoder.layers.0.self_attn.q_proj"
    for name in (vision, "lm_head", "model.layers.9.mlp.up_proj", "model.layers"):
        assert on_disk(name, weight_shapes(base)) == name
    for name in (vision, "lm_head", "model.norm"):
        assert in_memory(name) == name


def test_an_adapter_of_the_text_only_class_is_one_of_the_multimodal_base(base, adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "text")
    weights = tmp_path / "text/adapter_model.safetensors"
    tensors = {k.replace("language_model.", ""): v for k, v in load_file(weights).items()}
    assert any("model.model.layers.0" in key for key in tensors)
    save_file(tensors, weights, {"base": folder_digest(base / MANIFEST)})
    ours = extract_task_vector(tmp_path / "text", base)
    expected = extract_task_vector(adapter, base)
    assert set(ours.modules) == set(expected.modules)
    for name, delta in ours.modules.items():
        np.testing.assert_array_equal(delta.dense(), expected.modules[name].dense())


def test_an_adapter_on_the_vision_tower_is_refused(tmp_path):
    base = written("multimodal", tmp_path / "model")
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    get_peft_model(load_model(base), config).save_pretrained(tmp_path)
    weights = tmp_path / "adapter_model.safetensors"
    save_file(load_file(weights), weights, {"base": folder_digest(base / MANIFEST)})
    with pytest.raises(ValueError, match="2 of 5 modules match no weight .*vision_tower"):
        extract_task_vector(tmp_path, base)


def test_a_saved_edit_is_an_adapter_that_peft_applies_to_its_layers_alone(
    base, adapter, tokenizer, tmp_path
):
    vector = scaled(extract_task_vector(adapter, base).in_layers([0, 2]), 0.8)
    save_edit(tmp_path, vector, base.as_posix())
    model = load_model(base)
    with edited(model, vector):
        expected = logits(model, tokenizer)
    with edited(model, read_edit(tmp_path)):
        assert torch.equal(logits(model, tokenizer), expected)
    applied = PeftModel.from_pretrained(model, tmp_path)
    torch.testing.assert_close(logits(applied, tokenizer), expected, rtol=1e-5, atol=1e-5)
    active = {n for n, m in applied.named_modules() if hasattr(m, "get_delta_weight")}
    assert {layer_of(name) for name in active} == {0, 2}
    assert len(active) == 2 * len(NORMS) and not any("vision" in name for name in active)


def test_a_dense_edit_finds_its_modules_as_well(base, adapter, tokenizer, tmp_path):
    vector = extract_task_vector(adapter, base)
    dense = {name: Dense(delta.dense()) for name, delta in vector.modules.items()}
    save_edit(tmp_path, TaskVector(dense, vector.base), base.as_posix())
    model = load_model(base)
    with edited(model, vector):
        expected = logits(model, tokenizer)
    with edited(model, read_edit(tmp_path)):
        torch.testing.assert_close(logits(model, tokenizer), expected, rtol=1e-6, atol=1e-6)


def test_residuals_are_the_hidden_states_of_transformers(base, tokenizer):
    model = load_model(base)
    rows, streams = next(iter(residuals(model, tokenizer, TEXTS[:1])))
    ids = tokenizer(TEXTS[0], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = model(ids, output_hidden_states=True).hidden_states
        normed = model.get_decoder().norm(streams[LAYERS - 1])
    assert list(streams) == list(range(LAYERS)) and len(rows) == ids.shape[1] - 1
    for layer in range(LAYERS - 1):
        torch.testing.assert_close(streams[layer], states[layer + 1][0, 1:])
    torch.testing.assert_close(normed, states[LAYERS][0, 1:])
