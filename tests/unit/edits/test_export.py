"""An exported checkpoint is the base but for the edited tensors; those hold what they should."""

import json
import shutil

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from stethoscope.edits.checkpoint import export_checkpoint, export_summary
from stethoscope.models.base import load_model
from stethoscope.runtime import tensor_files as tensors
from stethoscope.runtime.files import MANIFEST, atomic_folder, folder_digest, folder_digests
from stethoscope.task_vectors.adapter import save_adapter
from stethoscope.task_vectors.delta import Dense, LowRank
from stethoscope.task_vectors.task_vector import TaskVector, scaled

TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


@pytest.fixture(scope="module")
def bases(tiny, tmp_path_factory):
    """The tiny model in each type, in two shards with an index."""
    folders, stored = {}, load_file(tiny.folder / "model.safetensors")
    for name, dtype in TYPES.items():
        folders[name] = tmp_path_factory.mktemp("bases") / name
        with atomic_folder(folders[name]) as folder:
            shutil.copytree(tiny.folder, folder, dirs_exist_ok=True)
            (folder / MANIFEST).unlink()
            (folder / "model.safetensors").unlink()
            shards, index = ({}, {}), {}
            for key, tensor in stored.items():
                part = "layers.2" in key
                shards[part][key] = tensor.to(dtype)
                index[key] = f"model-0000{part + 1}-of-00002.safetensors"
            for part, shard in enumerate(shards, start=1):
                path = folder / f"model-0000{part}-of-00002.safetensors"
                save_file(shard, path, metadata={"format": "pt"})
            size = sum(tensor.nbytes for shard in shards for tensor in shard.values())
            text = json.dumps({"metadata": {"total_size": size}, "weight_map": index})
            (folder / "model.safetensors.index.json").write_text(text)
    return folders


def for_base(vector: TaskVector, base) -> TaskVector:
    return TaskVector(vector.modules, folder_digest(base / MANIFEST))


def all_tensors(folder) -> dict[str, torch.Tensor]:
    tensors_by_key = {}
    for path in folder.glob("*.safetensors"):
        tensors_by_key |= load_file(path)
    return tensors_by_key


@pytest.mark.parametrize("dtype", TYPES)
def test_exactly_the_edited_tensors_change_and_they_are_the_rounded_sum(
    bases, vector, tmp_path, dtype
):
    base, target = bases[dtype], tmp_path / "out"
    edit = scaled(for_base(vector, base).in_layers([0, 2]), -0.5)
    record = export_checkpoint(base, edit, target, {"alpha": -0.5})
    before, after = all_tensors(base), all_tensors(target)
    assert set(before) == set(after)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {f"{name}.weight" for name in edit.modules} and len(changed) == 14
    for name, delta in edit.modules.items():
        a, b = torch.from_numpy(delta.A).double(), torch.from_numpy(delta.B).double()
        old, new = before[f"{name}.weight"], after[f"{name}.weight"]
        exact = old.double() + delta.scale * (b @ a)
        assert new.dtype == TYPES[dtype]
        # the sum is taken in fp32, so at the border between two stored values either may win
        steps = torch.finfo(TYPES[dtype]).eps * exact.abs() * (0.5 + 1e-3) + 1e-6
        assert ((new.double() - exact).abs() <= steps).all()
        assert (new == exact.to(TYPES[dtype])).float().mean() > 0.99 or dtype == "F32"
    landed = record["landed"].sum()
    moved = sum(
        float((after[key].double() - before[key].double()).square().sum()) for key in changed
    )
    assert landed == pytest.approx(moved, rel=1e-9)
    still = sum(int((after[key] == before[key]).sum()) for key in changed)
    assert record["unchanged"].sum() == still
    described = json.loads((target / "export.json").read_text())
    assert described["alpha"] == -0.5 and described["landed"] == export_summary(record)
    assert described["landed"]["energy_edit"] == pytest.approx(edit.energy(), rel=1e-6)


def test_every_byte_outside_of_the_edited_tensors_is_the_bases(bases, vector, tmp_path):
    base, target = bases["BF16"], tmp_path / "out"
    name = "model.layers.1.mlp.up_proj"
    edit = TaskVector({name: vector.modules[name]}, folder_digest(base / MANIFEST))
    export_checkpoint(base, edit, target)
    own = {"export.tsv", "export.json"}
    old, new = folder_digests(base), folder_digests(target)
    assert json.loads((target / MANIFEST).read_text())["files"] == new
    shard = "model-00001-of-00002.safetensors"
    assert set(new) - own == set(old)
    assert {name for name in old if old[name] != new[name]} == {shard}
    place = tensors.tensor_places(base / shard)[f"{name}.weight"]
    before, after = ((folder / shard).read_bytes() for folder in (base, target))
    end = place.start + place.size
    assert len(before) == len(after)
    assert before[: place.start] == after[: place.start] and before[end:] == after[end:]
    assert before[place.start : end] != after[place.start : end]


def test_a_large_tensor_is_edited_in_blocks_to_the_same_bytes(bases, vector, tmp_path, monkeypatch):
    base, digests = bases["BF16"], []
    for number, block in enumerate((1 << 19, 100)):
        monkeypatch.setattr(tensors, "BLOCK", block)
        export_checkpoint(base, for_base(vector, base), tmp_path / str(number))
        digests.append(folder_digests(tmp_path / str(number)))
    for name in [name for name in digests[0] if not name.startswith("export.")]:
        assert digests[0][name] == digests[1][name], name


def test_a_difference_entry_by_entry_is_exported_too(bases, vector, tmp_path):
    base = bases["F32"]
    name = "model.layers.1.self_attn.o_proj"
    values = np.zeros(vector.modules[name].shape, np.float32)
    values[3, 4] = 2.0
    edit = TaskVector({name: Dense(values)}, folder_digest(base / MANIFEST))
    export_checkpoint(base, edit, tmp_path / "out")
    moved = all_tensors(tmp_path / "out")[f"{name}.weight"] - all_tensors(base)[f"{name}.weight"]
    assert moved.nonzero().tolist() == [[3, 4]] and moved[3, 4] == pytest.approx(2, rel=1e-6)


def test_the_checkpoint_answers_as_the_base_with_the_adapter_on_it(tiny, vector, tmp_path):
    edit = scaled(vector.in_layers([1]), 0.7)
    export_checkpoint(tiny.folder, edit, tmp_path / "out")
    save_adapter(tmp_path, edit, "model")
    ids = tiny.tokenizer("Problem:\nWhat is 3 + 4?\n\nSolution:", return_tensors="pt")["input_ids"]
    adapted = PeftModel.from_pretrained(load_model(tiny.folder), tmp_path).eval()
    with torch.no_grad():
        ours = load_model(tmp_path / "out")(ids).logits
        theirs, base = adapted(ids).logits, tiny.model(ids).logits
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max() < (ours - base).abs().max()


def test_hard_links_are_made_only_when_asked_for_and_only_of_unedited_files(
    bases, vector, tmp_path
):
    base = bases["BF16"]
    edit = for_base(vector, base).in_layers([0])
    for hard_links in (False, True):
        target = tmp_path / str(hard_links)
        export_checkpoint(base, edit, target, hard_links=hard_links)
        linked = {name for name in folder_digests(base) if (target / name).samefile(base / name)}
        unedited = set(folder_digests(base)) - {"model-00001-of-00002.safetensors"}
        assert linked == (unedited if hard_links else set())


def test_links_to_the_files_of_a_base_are_followed(bases, vector, tmp_path):
    base, linked, blobs = bases["BF16"], tmp_path / "linked", tmp_path / "blobs"
    linked.mkdir()
    blobs.mkdir()
    for number, path in enumerate(base.iterdir()):  # the hub's cache names files by their digests
        shutil.copy(path, blobs / str(number))
        (linked / path.name).symlink_to(blobs / str(number))
    record = export_checkpoint(linked, for_base(vector, base), tmp_path / "out")
    assert len(record) == 21
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda edit: TaskVector(edit.modules, "another"), "made for another base"),
        (lambda edit: TaskVector({}, edit.base), "the edit changes nothing"),
        (lambda edit: scaled(edit, 0.0), "the edit changes nothing"),
        (lambda edit: scaled(edit, 1e-9), "too small to be stored in BF16"),
        (lambda edit: scaled(edit, 1e39), "is not finite"),
        (
            lambda edit: TaskVector(
                {name.replace("mlp.", "mpl."): d for name, d in edit.modules.items()}, edit.base),
            "match no weight",
        ),
        (
            lambda edit: TaskVector(
                {name: LowRank(d.A[:, :-1], d.B) for name, d in edit.modules.items()}, edit.base),
            "expects",
        ),
    ],
)  # fmt: skip
def test_an_edit_that_cannot_be_in_the_checkpoint_is_refused_and_leaves_nothing(
    bases, vector, tmp_path, change, message
):
    edit = change(for_base(vector, bases["BF16"]))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=message):
        export_checkpoint(bases["BF16"], edit, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_base_that_is_not_what_its_manifest_says_is_refused(bases, vector, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(bases["BF16"], base)
    with open(base / "model-00002-of-00002.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(ValueError, match="model-00002-of-00002.safetensors: changed since"):
        export_checkpoint(base, for_base(vector, base), tmp_path / "out")
    assert not (tmp_path / "out").exists()
