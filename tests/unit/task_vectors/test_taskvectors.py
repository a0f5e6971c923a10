"""Task vectors: exact in factored form, and nothing but a plain LoRA of this base is taken."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from peft import PeftModel
from safetensors.numpy import load_file, save_file

from stethoscope.models.base import load_model
from stethoscope.models.weights import weight_shapes
from stethoscope.runtime.files import MANIFEST, folder_digest
from stethoscope.runtime.tensor_files import read_tensors
from stethoscope.task_vectors.adapter import extract_task_vector, read_adapter
from stethoscope.task_vectors.delta import Dense, LowRank
from stethoscope.task_vectors.task_vector import (
    TaskVector,
    check_fits,
    combine,
    layer_of,
    part_of,
)

WEIGHTS = "adapter_model.safetensors"
FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


def low_rank(seed: int, rank: int = 3, scale: float = 1.5) -> LowRank:
    generator = np.random.default_rng(seed)
    a = generator.normal(size=(rank, 7)).astype(np.float32)
    return LowRank(a, generator.normal(size=(5, rank)).astype(np.float32), scale)


def vector_of(seed: int, base: str = "b", layers: tuple[int, ...] = (0, 1, 2)) -> TaskVector:
    modules = {f"model.layers.{n}.mlp.up_proj": low_rank(seed + n) for n in layers}
    return TaskVector(modules, base)


@pytest.fixture
def copy(adapter, tmp_path):
    return shutil.copytree(adapter, tmp_path / "copy")


def rewrite(folder, change, base=None):
    """Replace the tensors of an adapter folder by what `change` makes of them."""
    tensors, metadata = read_tensors(folder / WEIGHTS)
    metadata = {"base": base} if base else metadata
    save_file(change(tensors), folder / WEIGHTS, metadata=metadata)


def configure(folder, **settings):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def refusal(folder, model) -> str:
    with pytest.raises(ValueError) as error:
        extract_task_vector(folder, model)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)
    return str(error.value)


def test_each_difference_is_what_peft_would_merge(tiny, adapter, vector):
    adapted = PeftModel.from_pretrained(load_model(tiny.folder), adapter)
    layers = {
        name.removeprefix("base_model.model."): module
        for name, module in adapted.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    assert set(vector.modules) == set(layers)
    assert len(layers) == 3 * 7
    for name, delta in vector.modules.items():
        expected = layers[name].get_delta_weight("default").detach().numpy()
        np.testing.assert_allclose(delta.dense(), expected, rtol=1e-5, atol=1e-7)
        assert delta.dense().dtype == np.float32 and np.abs(expected).max() > 0.01


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_energy_and_singular_values_are_those_of_the_dense_difference(rank):
    delta = low_rank(1, rank)
    dense = 1.5 * (delta.B.astype(np.float64) @ delta.A.astype(np.float64))
    values = np.linalg.svd(dense, compute_uv=False)
    assert delta.energy() == pytest.approx(np.sum(dense**2), rel=1e-10)
    expected = values[: min(rank, 5)]
    np.testing.assert_allclose(delta.singular_values()[: len(expected)], expected, rtol=1e-10)
    assert np.sum(delta.singular_values() ** 2) == pytest.approx(delta.energy(), rel=1e-10)


def test_layers_that_are_not_selected_are_absent_not_zero():
    vector = vector_of(1)
    part = vector.in_layers([2, 0])
    assert list(part.modules) == ["model.layers.0.mlp.up_proj", "model.layers.2.mlp.up_proj"]
    assert (
        part.modules["model.layers.2.mlp.up_proj"] is vector.modules["model.layers.2.mlp.up_proj"]
    )
    assert part.energy() < vector.energy() and part.base == vector.base


@pytest.mark.parametrize(
    "module, layer",
    [
        ("model.layers.12.mlp.up_proj", 12),
        ("model.language_model.layers.0.mlp.up_proj", 0),
        ("language_model.model.layers.33.mlp.up_proj", 33),
        ("layers.7.mlp.up_proj", 7),
    ],
)
def test_the_layer_of_a_module_is_found_in_each_spelling(module, layer):
    assert layer_of(module) == layer
    assert part_of(module) == "mlp.up_proj"


@pytest.mark.parametrize(
    "module", ["vision_tower.encoder.layers.3.self_attn.q_proj", "model.embed_tokens", "lm_head"]
)
def test_a_module_outside_the_decoder_layers_is_refused(module):
    with pytest.raises(ValueError, match="is not in a decoder layer"):
        layer_of(module)


def test_a_vector_comes_back_from_a_file_bit_by_bit(tmp_path):
    vector = vector_of(4)
    vector.save(tmp_path / "v.safetensors")
    loaded = TaskVector.load(tmp_path / "v.safetensors")
    assert loaded.base == "b" and set(loaded.modules) == set(vector.modules)
    for name, delta in vector.modules.items():
        assert loaded.modules[name].A.tobytes() == delta.A.tobytes()
        assert loaded.modules[name].B.tobytes() == delta.B.tobytes()
        assert loaded.modules[name].scale == delta.scale
    _, metadata = read_tensors(tmp_path / "v.safetensors")
    assert json.loads(metadata["task_vector"]) == {
        "base": "b", "layers": [0, 1, 2], "modules": ["mlp.up_proj"],
    }  # fmt: skip


def test_the_same_vector_is_the_same_bytes_in_every_process(tmp_path):
    program = (
        "import sys, numpy as np\n"
        "from stethoscope.task_vectors.delta import LowRank\n"
        "from stethoscope.task_vectors.task_vector import TaskVector\n"
        "d = LowRank(np.ones((2, 3), 'f4'), np.ones((4, 2), 'f4'), 2.0)\n"
        "names = [f'model.layers.{n}.mlp.up_proj' for n in range(9)]\n"
        "TaskVector({name: d for name in names}, 'b').save(sys.argv[1])\n"
    )
    contents = set()
    for number in range(4):
        path = tmp_path / f"{number}.safetensors"
        environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": str(number)}
        subprocess.run([sys.executable, "-c", program, path], check=True, env=environment)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_something_else_is_not_taken_for_a_task_vector(adapter):
    with pytest.raises(ValueError, match="adapter_model.safetensors: not a task vector"):
        TaskVector.load(adapter / WEIGHTS)


def test_a_dense_difference_comes_back_bit_by_bit_beside_a_factored_one(tmp_path):
    generator = np.random.default_rng(0)
    a, b, values = (generator.normal(size=s).astype(np.float32) for s in ((2, 5), (3, 2), (3, 5)))
    vector = TaskVector({"layers.1.x": Dense(values), "layers.0.x": LowRank(a, b, 0.5)}, "base")
    vector.save(tmp_path / "v.safetensors")
    again = TaskVector.load(tmp_path / "v.safetensors")
    assert again.base == "base" and list(again.modules) == ["layers.0.x", "layers.1.x"]
    assert again.modules["layers.1.x"].values.tobytes() == values.tobytes()
    np.testing.assert_array_equal(again.modules["layers.0.x"].dense(), np.float32(0.5) * (b @ a))
    assert {delta.shape for delta in again.modules.values()} == {(3, 5)}
    assert list(again.in_layers([1]).modules) == ["layers.1.x"]
    by_hand = np.sum(values.astype(np.float64) ** 2) + np.sum((0.5 * (b @ a)) ** 2)
    assert again.energy() == pytest.approx(by_hand, rel=1e-6)
    halved = again.modules["layers.1.x"].scaled(-0.5)
    np.testing.assert_array_equal(halved.dense(), np.float32(-0.5) * values)


@pytest.mark.parametrize(
    "keys, message",
    [
        (["layers.0.x.dense", "layers.0.x.scale"], "'layers.0.x' has dense, scale: expected"),
        (["layers.0.x.lora_A", "layers.0.x.lora_B"], "'layers.0.x' has lora_A, lora_B: expected"),
        (["layers.0.x.weight"], "'layers.0.x' has weight: expected lora_A, lora_B and scale, or"),
    ],
)
def test_a_task_vector_file_with_an_unknown_key_is_refused(tmp_path, keys, message):
    tensors = {key: np.ones((2, 2), np.float32) for key in keys}
    save_file(tensors, tmp_path / "v.safetensors", metadata={"task_vector": '{"base": "b"}'})
    with pytest.raises(ValueError, match=message):
        TaskVector.load(tmp_path / "v.safetensors")


def test_an_adapter_of_another_base_is_refused(tiny, copy):
    rewrite(copy, lambda tensors: tensors, base="0" * 64)
    assert "made for another base" in refusal(copy, tiny.folder)


def test_keys_that_match_nothing_are_refused_with_both_spellings(tiny, copy):
    rewrite(copy, lambda t: {k.replace("model.layers", "decoder.layers"): t[k] for k in t})
    message = refusal(copy, tiny.folder)
    assert "21 of 21 modules match no weight" in message
    assert "'decoder.layers.0.mlp.down_proj'" in message
    assert "the base spells its keys 'model.layers.0." in message


def test_a_module_in_two_spellings_is_refused(tiny, copy):
    other = FIRST.replace("model.layers", "model.language_model.layers")
    names = {part: [name.replace("_A", part) for name in (FIRST, other)] for part in ("_A", "_B")}
    rewrite(copy, lambda t: t | {second: t[first] for first, second in names.values()})
    assert "two spellings" in refusal(copy, tiny.folder)


def test_a_difference_of_another_shape_is_refused_with_both_shapes(tiny, copy):
    rewrite(copy, lambda t: {**t, FIRST: np.ones((4, 40), np.float32)})
    message = refusal(copy, tiny.folder)
    assert (
        "model.layers.0.self_attn.q_proj is (32, 40)" in message and "expects (32, 32)" in message
    )


@pytest.mark.parametrize(
    "setting",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"rank_pattern": {"q_proj": 2}},
        {"alpha_pattern": {"q_proj": 2}},
        {"fan_in_fan_out": True},
        {"init_lora_weights": "pissa"},
        {"lora_alpha": None},
        {"r": 0},
    ],
)
def test_what_a_plain_lora_does_not_express_is_refused_by_name(tiny, copy, setting):
    configure(copy, **setting)
    ((key, value),) = setting.items()
    message = refusal(copy, tiny.folder)
    assert f"adapter_config.json: {key}: {value!r} is not" in message


def test_a_rank_that_is_not_the_factors_is_refused_since_the_scale_would_be_wrong(tiny, copy):
    configure(copy, r=8)
    assert "adapter_config.json says r = 8" in refusal(copy, tiny.folder)


def test_a_key_that_is_not_one_of_a_pair_is_refused(tiny, copy):
    extra = "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector"
    rewrite(copy, lambda t: {**t, extra: np.ones(3, np.float32)})
    assert extra in refusal(copy, tiny.folder)
    rewrite(copy, lambda t: {k: v for k, v in t.items() if k not in (extra, FIRST)})
    assert "q_proj.lora_B.weight' is not one of a pair" in refusal(copy, tiny.folder)


def test_an_adapter_that_was_never_trained_is_refused(tiny, copy):
    rewrite(copy, lambda t: {k: v * ("lora_A" in k) for k, v in t.items()})
    assert "the task vector is zero" in refusal(copy, tiny.folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused_with_file_and_key(tiny, copy, bad):
    tensors = load_file(copy / WEIGHTS)
    tensors[FIRST][1, 2] = bad
    save_file(tensors, copy / WEIGHTS, metadata={"base": "b"})
    assert f"{WEIGHTS}: {FIRST} holds a value that is not finite" in refusal(copy, tiny.folder)


def test_a_file_that_is_not_whole_is_refused_by_name(tiny, copy):
    whole = (copy / WEIGHTS).read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    for content in (whole[:-5], whole[:100], b"", pointer):
        (copy / WEIGHTS).write_bytes(content)
        assert f"{WEIGHTS}: not readable as safetensors" in refusal(copy, tiny.folder)
    (copy / WEIGHTS).unlink()
    assert f"{WEIGHTS}: not readable as safetensors" in refusal(copy, tiny.folder)


def test_half_precision_factors_are_widened_before_any_arithmetic(copy):
    rewrite(copy, lambda t: {key: value.astype(np.float16) for key, value in t.items()})
    for delta in read_adapter(copy).modules.values():
        assert delta.A.dtype == delta.B.dtype == delta.dense().dtype == np.float32


def test_shapes_are_those_of_the_model_itself(tiny):
    expected = {name: tuple(value.shape) for name, value in tiny.model.named_parameters()}
    assert weight_shapes(tiny.folder) == expected


def test_a_folder_without_a_model_and_a_broken_model_are_named(tmp_path):
    with pytest.raises(ValueError, match="no safetensors files of a model"):
        weight_shapes(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"model\.safetensors: not readable"):
        weight_shapes(tmp_path)


def test_the_vector_of_an_adapter_names_the_digest_of_its_base(tiny, vector):
    assert vector.base == folder_digest(tiny.folder / MANIFEST)
    check_fits(vector, tiny.folder, "again")


def test_a_sum_of_vectors_is_the_sum_of_the_dense_differences():
    one, other = vector_of(1, layers=(0, 1)), vector_of(50, layers=(1, 2))
    total = combine({"one": one, "other": other}, {"one": 0.25, "other": -2.0})
    names = [f"model.layers.{layer}.mlp.up_proj" for layer in range(3)]
    assert list(total.modules) == names and total.base == "b"
    expected = {
        names[0]: 0.25 * one.modules[names[0]].dense(),
        names[1]: 0.25 * one.modules[names[1]].dense() - 2 * other.modules[names[1]].dense(),
        names[2]: -2 * other.modules[names[2]].dense(),
    }
    for name, dense in expected.items():
        np.testing.assert_allclose(total.modules[name].dense(), dense, rtol=1e-5, atol=1e-5)
    assert total.modules[names[1]].A.shape == (6, 7)  # ranks add up


def test_a_single_vector_of_weight_one_keeps_every_bit():
    vector = vector_of(3)
    alone = combine({"v2": vector, "unused": vector_of(9, base="c")}, {"v2": 1.0})
    assert alone.base == vector.base
    for name, delta in vector.modules.items():
        assert alone.modules[name].A.tobytes() == delta.A.tobytes()
        assert alone.modules[name].B.tobytes() == delta.B.tobytes()
        assert alone.modules[name].scale == delta.scale


def test_a_single_vector_is_weighted_too():
    vector = vector_of(3)
    half = combine({"v2": vector}, {"v2": 0.5})
    for name, delta in vector.modules.items():
        np.testing.assert_array_equal(half.modules[name].dense(), 0.5 * delta.dense())


def test_vectors_of_different_bases_are_not_added():
    with pytest.raises(ValueError, match="task vectors a, b were made for different bases"):
        combine({"a": vector_of(1, "x"), "b": vector_of(1, "y")}, {"a": 1.0, "b": 1.0})
