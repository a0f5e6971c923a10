"""Edits are exact, change what they say and nothing else, and their energies add up."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch

from stethoscope.edits.apply import edited
from stethoscope.edits.bases import read_gains
from stethoscope.edits.energy import RECORD_COLUMNS, energy_record, energy_summary
from stethoscope.edits.projection import StreamMap, projected, stream_maps, writes_to_stream
from stethoscope.edits.transforms import matching_scale
from stethoscope.models.base import load_model
from stethoscope.models.weights import read_weights
from stethoscope.runtime.tensor_files import to_bfloat16
from stethoscope.task_vectors.adapter import read_adapter, save_adapter
from stethoscope.task_vectors.delta import LowRank
from stethoscope.task_vectors.task_vector import TaskVector, layer_of, scaled


@pytest.fixture(scope="module")
def directions() -> dict[int, np.ndarray]:
    """Three random directions of the stream for each layer."""
    generator = np.random.default_rng(2)
    return {layer: generator.normal(size=(3, 32)) for layer in range(3)}


@pytest.fixture(scope="module")
def maps(vector, directions) -> dict[str, StreamMap]:
    return stream_maps(vector.modules, directions)


def logits(tiny, model) -> torch.Tensor:
    ids = tiny.tokenizer("Problem:\nWhat is 3 + 4?\n\nSolution:", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model(ids).logits


def dense(delta: LowRank) -> np.ndarray:
    return delta.scale * (delta.B.astype(np.float64) @ delta.A.astype(np.float64))


def test_all_layers_at_alpha_one_are_the_source_adapter_bit_by_bit(vector, adapter, tmp_path):
    save_adapter(tmp_path, scaled(vector.in_layers([0, 1, 2]), 1.0), "model")
    source, written = (load_file(f / "adapter_model.safetensors") for f in (adapter, tmp_path))
    assert set(source) == set(written)
    for key, tensor in source.items():
        assert written[key].dtype == tensor.dtype and written[key].tobytes() == tensor.tobytes()
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 6)


@pytest.mark.parametrize("kind", ["raw", "projected"])
def test_peft_merges_a_written_adapter_to_the_model_that_is_evaluated(
    tiny, vector, maps, tmp_path, kind
):
    edit = vector.in_layers([0, 2])
    edit = scaled(projected(edit, maps) if kind == "projected" else edit, -0.8)
    save_adapter(tmp_path, edit, tiny.folder.as_posix())
    loaded = PeftModel.from_pretrained(load_model(tiny.folder), tmp_path)
    merged = loaded.merge_and_unload()
    base = logits(tiny, tiny.model)
    with edited(tiny.model, edit):
        ours = logits(tiny, tiny.model)
        assert (ours - logits(tiny, merged)).abs().max() < 1e-5 * ours.abs().max()
        assert (ours - base).abs().max() > 0.1
        weights, peft_weights = tiny.model.state_dict(), merged.state_dict()
        changed = {k for k in weights if not torch.equal(weights[k], base_weights(tiny)[k])}
        assert changed == {f"{name}.weight" for name in edit.modules}
        for key, value in weights.items():
            torch.testing.assert_close(value, peft_weights[key], rtol=1e-5, atol=1e-6)


def base_weights(tiny) -> dict[str, torch.Tensor]:
    stored = load_torch(tiny.folder / "model.safetensors")
    return stored | {"lm_head.weight": stored["model.embed_tokens.weight"]}  # tied


def test_an_empty_selection_is_the_base_bit_by_bit(tiny, vector, tmp_path):
    empty = scaled(vector.in_layers([]), 1.0)
    base = logits(tiny, tiny.model)
    with edited(tiny.model, empty):
        assert torch.equal(logits(tiny, tiny.model), base)
    save_adapter(tmp_path, empty, "model")
    again = read_adapter(tmp_path)
    assert (dict(again.modules), again.base) == ({}, vector.base)


def test_the_model_is_restored_bit_by_bit_after_any_number_of_edits_and_an_exception(tiny, vector):
    for alpha in (1.0, -3.3, 1e4):
        with edited(tiny.model, scaled(vector, alpha)) as model:
            assert model is tiny.model
    with pytest.raises(RuntimeError, match="stop"), edited(tiny.model, scaled(vector, 2.0)):
        raise RuntimeError("stop")
    for name, value in base_weights(tiny).items():
        assert torch.equal(tiny.model.state_dict()[name], value)


def test_an_edit_that_does_not_fit_is_refused_before_anything_changes(tiny, vector):
    name, delta = next(iter(vector.modules.items()))
    elsewhere = name.replace("layers.0", "layers.9")
    with pytest.raises(ValueError, match=f"{elsewhere} matches no weight of the model"):
        with edited(tiny.model, TaskVector({name: delta, elsewhere: delta}, "")):
            pass
    wide = LowRank(np.ones((4, 33), np.float32), delta.B)
    with pytest.raises(ValueError, match=r"is torch.float32 \(32, 48\), expected .* \(32, 33\)"):
        with edited(tiny.model, TaskVector({name: wide}, "")):
            pass
    assert torch.equal(
        tiny.model.state_dict()[f"{name}.weight"], base_weights(tiny)[f"{name}.weight"]
    )


def test_a_half_precision_model_is_refused(tiny, vector):
    model = load_model(tiny.folder, torch.float16)
    with pytest.raises(ValueError, match="is torch.float16 .* expected torch.float32 or"):
        with edited(model, vector):
            pass


def test_each_layer_is_projected_on_its_own_directions(vector, maps, directions):
    for name, delta in projected(vector, maps).modules.items():
        rows = directions[layer_of(name)]
        projector = rows.T @ np.linalg.pinv(rows.T)
        whole = dense(vector.modules[name])
        expected = projector @ whole if writes_to_stream(name) else whole @ projector
        np.testing.assert_allclose(dense(delta), expected, atol=1e-12)


def test_an_edit_is_fp32_whatever_was_done_to_its_factors(vector, maps):
    for delta in scaled(projected(vector, maps), 0.5).modules.values():
        assert delta.A.dtype == delta.B.dtype == delta.dense().dtype == np.float32


def test_the_matching_scale_gives_a_projection_the_norm_of_the_raw_edit(vector, maps):
    kept = projected(vector, maps)
    scale = matching_scale(kept, vector)
    norms = [
        np.sqrt(sum(np.sum(dense(delta) ** 2) for delta in v.modules.values()))
        for v in (scaled(kept, scale), vector, kept)
    ]
    assert norms[0] == pytest.approx(norms[1], rel=1e-6) and norms[2] < 0.7 * norms[1]
    small = scaled(vector, matching_scale(vector, kept))  # and the other way around
    assert small.energy() == pytest.approx(kept.energy(), rel=1e-6)
    with pytest.raises(ValueError, match="keeps nothing"):
        matching_scale(scaled(vector, 0.0), vector)


def test_bfloat16_rounding_is_that_of_torch_ties_included():
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2**32, size=200_000, dtype=np.uint64).astype(np.uint32)
    ties = (bits & np.uint32(0xFFFF0000)) | np.uint32(0x8000)
    near = np.concatenate([ties - np.uint32(1), ties, ties + np.uint32(1)])
    small = generator.normal(0, 0.03, 50_000).astype(np.float32).view(np.uint32)
    values = np.concatenate([bits, near, small]).view(np.float32)
    values = np.concatenate([values[np.isfinite(values)], np.float32([0.0, -0.0, 1.0, 3.4e38])])
    expected = torch.from_numpy(values).bfloat16().float().numpy()
    np.testing.assert_array_equal(to_bfloat16(values).view(np.uint32), expected.view(np.uint32))
    assert (to_bfloat16(values) != values).mean() > 0.9


@pytest.mark.parametrize("match_norm", [False, True])
def test_the_energies_of_a_projected_edit_are_those_of_the_dense_matrices(
    tiny, vector, maps, directions, match_norm
):
    part = vector.in_layers([1, 2])
    kept = projected(part, maps)
    scale = matching_scale(kept, part) if match_norm else 1.0
    edit = scaled(kept, 0.02 * scale)
    weights = {name: base_weights(tiny)[f"{name}.weight"].numpy() for name in part.modules}
    record = energy_record(part, kept, edit, weights, maps)
    assert record.columns.tolist() == RECORD_COLUMNS and len(record) == 14
    total = dict.fromkeys(("raw", "kept", "edit", "best", "chance", "weight", "entries"), 0.0)
    landed = {kind: dict(energy=0.0, inner=0.0, still=0, outside=0.0) for kind in ("fp32", "bf16")}
    for (name, delta), (_, row) in zip(edit.modules.items(), record.iterrows(), strict=True):
        tau, left, added = dense(part.modules[name]), dense(kept.modules[name]), dense(delta)
        weight = weights[name]
        assert (row["layer"], name) == (
            layer_of(name),
            f"model.layers.{row['layer']}.{row['module']}",
        )
        assert row["energy_vector"] == pytest.approx(np.sum(tau**2), rel=1e-10)
        assert row["energy_kept"] == pytest.approx(np.sum(left**2), rel=1e-10)
        assert row["energy_edit"] == pytest.approx(np.sum(added**2), rel=1e-10)
        best = np.sum(np.linalg.svd(tau, compute_uv=False)[:3] ** 2)
        assert row["energy_oracle"] == pytest.approx(best, rel=1e-10)
        assert row["measured_kept"] == pytest.approx(row["energy_kept"], rel=1e-12)
        assert row["energy_kept"] <= row["energy_oracle"] <= row["energy_vector"]
        assert row["chance"] == 3 / 32
        assert row["energy_weight"] == pytest.approx(np.sum(weight.astype(float) ** 2), rel=1e-10)
        before = torch.from_numpy(weight)
        after = before + torch.from_numpy(added.astype(np.float32))
        moved = {
            "fp32": (after.double() - before.double()).numpy(),
            "bf16": (after.bfloat16().double() - before.bfloat16().double()).numpy(),
        }
        for kind, by in moved.items():
            landed[kind]["energy"] += np.sum(by**2)
            landed[kind]["inner"] += np.sum(by * added)
            landed[kind]["still"] += np.sum(by == 0)
            rows = directions[layer_of(name)]
            away = np.eye(32) - rows.T @ np.linalg.pinv(rows.T)
            side = by if writes_to_stream(name) else by.T
            landed[kind]["outside"] += np.sum((away @ side) ** 2)
        for key, value in {
            "raw": np.sum(tau**2), "kept": np.sum(left**2), "edit": np.sum(added**2), "best": best,
            "chance": 3 / 32 * np.sum(tau**2), "weight": np.sum(weight.astype(float) ** 2),
            "entries": weight.size,
        }.items():  # fmt: skip
            total[key] += value
    summary = energy_summary(record)
    expected = {
        "energy_task_vector": total["raw"],
        "energy_edit": total["edit"],
        "energy_retained": total["kept"] / total["raw"],
        "norm_retained": np.sqrt(total["kept"] / total["raw"]),
        "chance": total["chance"] / total["raw"],
        "oracle": total["best"] / total["raw"],
        "alignment": (total["kept"] - total["chance"]) / (total["best"] - total["chance"]),
        "relative_norm": np.sqrt(total["edit"] / total["weight"]),
    }
    for key, value in expected.items():
        assert summary[key] == pytest.approx(value, rel=1e-8), key
    assert (summary["n_layers"], summary["layers"]) == (2, "1,2")
    for kind, tolerance in (("fp32", 1e-6), ("bf16", 0.02)):
        energy, inner = landed[kind]["energy"], landed[kind]["inner"]
        cosine = inner / np.sqrt(energy * total["edit"])
        assert summary[f"landed_energy_{kind}"] == pytest.approx(energy / total["edit"], tolerance)
        assert summary[f"landed_cosine_{kind}"] == pytest.approx(cosine, tolerance)
        outside = landed[kind]["outside"] / energy
        assert summary[f"outside_{kind}"] == pytest.approx(outside, tolerance, abs=1e-6)
        still = landed[kind]["still"] / total["entries"]
        assert summary[f"unchanged_{kind}"] == pytest.approx(still, abs=2e-3)
    assert summary["outside_bf16"] > 0.02 > 1e-4 > summary["outside_fp32"]
    assert summary["unchanged_bf16"] > 0.3 > 0.05 > summary["unchanged_fp32"]
    if match_norm:
        assert summary["energy_edit"] == pytest.approx(0.02**2 * total["raw"], rel=1e-6)
    else:
        assert summary["energy_retained"] < 0.5


def test_a_raw_edit_retains_everything_and_has_neither_chance_nor_oracle(tiny, vector, tmp_path):
    weights = read_weights(tiny.folder, list(vector.modules))
    record = energy_record(vector, vector, scaled(vector, 0.5), weights, maps=None)
    record.to_csv(tmp_path / "energy.tsv", sep="\t", index=False)
    for table in (record, pd.read_csv(tmp_path / "energy.tsv", sep="\t")):
        summary = energy_summary(table)
        assert summary["energy_retained"] == summary["norm_retained"] == 1.0
        assert summary["energy_edit"] == pytest.approx(0.25 * vector.energy(), rel=1e-6)
        assert all(summary[key] is None for key in ("chance", "oracle", "alignment"))
        assert summary["outside_fp32"] is summary["outside_bf16"] is None
        assert summary["landed_cosine_fp32"] == pytest.approx(1, abs=1e-6)


def test_the_norm_aware_reading_is_measured_behind_the_norms(tiny, vector, directions):
    part = vector.in_layers([0])
    gains = read_gains(tiny.folder, list(part.modules))
    stored = base_weights(tiny)
    whole = kept = best = 0.0
    for name, delta in part.modules.items():
        norm = {"o": "post_attention", "down": "post_feedforward"} | dict.fromkeys(
            ("gate", "up"), "pre_feedforward"
        )
        kind = norm.get(name.rsplit(".", 1)[-1].removesuffix("_proj"), "input")
        weight = stored[f"model.layers.0.{kind}_layernorm.weight"].numpy().astype(np.float64)
        np.testing.assert_array_equal(gains[name], 1 + weight)
        assert weight.std() > 0
        tau = dense(delta) if writes_to_stream(name) else dense(delta).T
        seen = (1 + weight)[:, None] * tau
        projector = directions[0].T @ np.linalg.pinv(directions[0].T)
        whole += np.sum(seen**2)
        kept += np.sum((projector @ seen) ** 2)
        best += np.sum(np.linalg.svd(seen, compute_uv=False)[:3] ** 2)
    maps = stream_maps(part.modules, directions, "norm_aware", gains=gains)
    edit = projected(part, maps)
    weights = read_weights(tiny.folder, list(part.modules))
    summary = energy_summary(energy_record(part, edit, scaled(edit, 1.0), weights, maps))
    assert summary["energy_retained"] == pytest.approx(kept / whole, rel=1e-8)
    assert summary["oracle"] == pytest.approx(best / whole, rel=1e-8)
    assert summary["chance"] == pytest.approx(3 / 32, rel=1e-12)
    assert summary["energy_task_vector"] == pytest.approx(part.energy(), rel=1e-10)


def test_writers_only_changes_no_reader(tiny, vector, directions):
    part = vector.in_layers([0])
    maps = stream_maps(part.modules, directions, "writers_only")
    edit = projected(part, maps)
    weights = read_weights(tiny.folder, list(part.modules))
    record = energy_record(part, edit, scaled(edit, 1.0), weights, maps)
    readers = ~record["module"].map(writes_to_stream)
    assert readers.sum() == 5
    nothing = ["energy_kept", "chance", "energy_oracle", "landed_bf16"]
    assert (record.loc[readers, nothing] == 0).all(axis=None)
    assert (record.loc[readers, "unchanged_bf16"] == record.loc[readers, "entries"]).all()
    assert (record.loc[~readers, ["energy_kept", "chance", "energy_oracle"]] > 0).all(axis=None)


def test_norms_of_another_family_are_refused_instead_of_guessed(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="model_type 'llama': .* gemma2 and gemma3"):
        read_gains(tmp_path, ["model.layers.0.mlp.up_proj"])


def test_the_base_and_an_edit_of_size_zero_have_no_shares(tiny, vector):
    empty = TaskVector({}, vector.base)
    summary = energy_summary(energy_record(empty, empty, empty, {}, maps=None))
    assert (summary["n_layers"], summary["layers"], summary["energy_edit"]) == (0, "", 0.0)
    assert all(value is None for key, value in summary.items() if "retained" in key or "_fp" in key)
    weights = read_weights(tiny.folder, list(vector.modules))
    zero = energy_summary(energy_record(vector, vector, scaled(vector, 0.0), weights, maps=None))
    assert zero["landed_energy_fp32"] is zero["landed_cosine_bf16"] is None
    assert (zero["unchanged_fp32"], zero["energy_retained"], zero["relative_norm"]) == (1, 1, 0)


def test_only_the_weights_asked_for_are_read_and_a_missing_one_is_named(tiny):
    name = "model.layers.1.mlp.up_proj"
    weights = read_weights(tiny.folder, [name])
    assert list(weights) == [name]
    np.testing.assert_array_equal(weights[name], base_weights(tiny)[f"{name}.weight"].numpy())
    with pytest.raises(ValueError, match="no weight model.layers.7.mlp.up_proj.weight"):
        read_weights(tiny.folder, [name, "model.layers.7.mlp.up_proj"])


def test_an_adapter_is_the_same_bytes_each_time_and_names_no_version(vector, tmp_path):
    contents = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        save_adapter(folder, scaled(vector, 0.3), "model")
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"adapter_config.json", "adapter_model.safetensors"}
    reordered = TaskVector(dict(reversed(scaled(vector, 0.3).modules.items())), vector.base)
    save_adapter(tmp_path, reordered, "model")
    for name, content in contents[0].items():
        assert (tmp_path / name).read_bytes() == content


def test_modules_of_several_ranks_do_not_fit_into_one_adapter(tmp_path):
    modules = {
        f"layers.{rank}.x": LowRank(np.ones((rank, 3), "f4"), np.ones((3, rank), "f4"))
        for rank in (1, 2)
    }
    with pytest.raises(ValueError, match="several ranks or scales"):
        save_adapter(tmp_path, TaskVector(modules, ""), "model")
