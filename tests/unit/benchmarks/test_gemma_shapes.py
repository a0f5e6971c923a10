"""A multimodal Gemma 3 in two shards goes from its adapter to an edited checkpoint."""

import json
from math import prod

import gemma_4b_shapes as gemma
import pytest
import torch

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.runtime.tensor_files import tensor_places
from stethoscope.saes.residuals import residuals


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folder of all that the steps write, and what each says."""
    work = tmp_path_factory.mktemp("gemma")
    return work, {step.__name__: step(work, gemma.TINY) for step in gemma.STEPS}


def test_the_full_size_is_that_of_the_hubs_index():
    shapes = gemma.shapes_of(gemma.Sizes())
    assert len(shapes) == 883
    assert 2 * sum(map(prod, shapes.values())) == 8_600_158_944  # its metadata.total_size
    assert shapes["language_model.model.layers.33.self_attn.o_proj.weight"] == (2560, 2048)


def test_the_checkpoint_has_two_shards_and_no_head(results):
    work, _ = results
    shards = sorted((work / "exported").glob("*.safetensors"))
    places = [tensor_places(path) for path in shards]
    assert [path.name for path in shards] == [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    keys = [key for shard in places for key in shard]
    assert sorted(keys) == sorted(gemma.shapes_of(gemma.TINY))
    assert all(place.dtype == "BF16" for shard in places for place in shard.values())


def test_exactly_the_selected_language_layers_differ_from_the_base(results):
    work, output = results
    layers = json.loads((work / "layers.json").read_text())
    assert len(layers) == 2
    assert output["compare"].startswith("14 tensors differ, exactly those of the selected layers")
    base, exported = (
        {
            key: path.read_bytes()[place.start : place.start + place.size]
            for path in (work / folder).glob("*.safetensors")
            for key, place in tensor_places(path).items()
        }
        for folder in ("model", "exported")
    )
    differ = {key for key in base if base[key] != exported[key]}
    assert {key.split(".")[3] for key in differ} == set(map(str, layers))
    assert not any("vision" in key or "norm" in key or "embed" in key for key in differ)


def test_it_loads_in_transformers_with_no_missing_key(results):
    assert results[1]["load"].startswith("Gemma3ForConditionalGeneration, no missing")


def test_the_first_layers_alone_give_the_residuals_of_the_whole_model(results):
    work, output = results
    assert output["scan"].startswith("layer 2: SP ")
    tokenizer, streams = load_tokenizer(work / "model"), []
    for model in (
        gemma.truncated_model(work / "model", 3),
        load_model(work / "model", torch.bfloat16),
    ):
        ((_, stream),) = residuals(model, tokenizer, ["What is 3 + 4?", "Seven times 8 is"])
        streams.append(stream)
    assert set(streams[0]) == {0, 1, 2} and set(streams[1]) == {0, 1, 2, 3}
    for layer in (0, 1, 2):
        assert torch.equal(streams[0][layer], streams[1][layer])
    assert streams[0][2].std() > 0.1
