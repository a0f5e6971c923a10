"""Task vectors in factored form (paper, section 3; Ilharco et al. 2022).

The weight difference that a LoRA makes in one linear module is scale * B @ A. It stays factored:
two orders of magnitude smaller than the dense difference, and exact in fp32. Only what is not low
rank any more, such as a trimmed difference, is held entry by entry. numpy only.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from stethoscope.models.parameter_names import in_memory, on_disk
from stethoscope.runtime.files import MANIFEST, folder_digest, read_json
from stethoscope.runtime.tensor_files import (
    open_tensors,
    read_rows,
    read_tensors,
    tensor_places,
    write_tensors,
)

PEFT_PREFIX = "base_model.model."
_FACTOR = re.compile(re.escape(PEFT_PREFIX) + r"(?P<module>.+)\.lora_(?P<part>[AB])\.weight")
_LAYER = re.compile(r"(?:^|\.)layers\.(?P<layer>\d+)\.(?P<part>.+)")
# What a plain LoRA says, by key of adapter_config.json; anything else is not just scale * B @ A.
_PLAIN = {
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "use_qalora": (False, None),
    "alora_invocation_tokens": (None,),
    "init_lora_weights": (True, False, None, "gaussian", "eva", "orthogonal"),  # base untouched
    "bias": ("none", None),
    "modules_to_save": (None, []),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "fan_in_fan_out": (False, None),
}


@dataclass(frozen=True)
class LowRank:
    """A weight difference scale * B @ A of one linear module.

    A: (rank, inputs) fp32, B: (outputs, rank) fp32, as PEFT stores them; scale: lora_alpha / r.
    """

    A: np.ndarray
    B: np.ndarray
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs) of the module."""
        return self.B.shape[0], self.A.shape[1]

    def scaled(self, factor: float) -> LowRank:
        """factor times the difference in fp32, the factor in B; 1 leaves every bit of fp32 ones."""
        b = (np.float32(factor) * self.B).astype(np.float32)
        return LowRank(self.A.astype(np.float32), b, self.scale)

    def dense(self, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """(outputs, inputs) fp32, the difference itself, or some rows and columns of it."""
        return np.float32(self.scale) * (self.B[rows] @ self.A[:, columns])

    def energy(self) -> float:
        """Squared Frobenius norm, from the factors in fp64: never forms the difference."""
        a, b = self.A.astype(np.float64), self.B.astype(np.float64)
        return float(self.scale**2 * np.sum((b.T @ b) * (a @ a.T)))

    def singular_values(self) -> np.ndarray:
        """(rank,) singular values in fp64, largest first."""
        r_b = np.linalg.qr(self.B.astype(np.float64), mode="r")
        r_a = np.linalg.qr(self.A.astype(np.float64).T, mode="r")
        return abs(self.scale) * np.linalg.svd(r_b @ r_a.T, compute_uv=False)


@dataclass(frozen=True)
class Dense:
    """A weight difference of one linear module that no small factors express.

    values: (outputs, inputs) fp32.
    """

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs) of the module."""
        return self.values.shape

    def scaled(self, factor: float) -> Dense:
        """factor times the difference, in fp32."""
        return Dense((np.float32(factor) * self.values).astype(np.float32))

    def dense(self, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """(outputs, inputs) fp32, the difference itself, or some rows and columns of it."""
        return self.values[rows, columns]

    def energy(self) -> float:
        """Squared Frobenius norm, summed in fp64."""
        return float(np.sum(self.values.astype(np.float64) ** 2))


class DenseOnDemand(Mapping[str, Dense]):
    """Differences entry by entry, each worked out or read when it is asked for, and not kept.

    Those of the selected layers of a model of 4 billion parameters are gigabytes.

    shapes: (outputs, inputs) by module name. make: the difference of the module with that name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, int]], make: Callable[[str], Dense]) -> None:
        self.shapes, self._make = shapes, make

    def __getitem__(self, name: str) -> Dense:
        if name not in self.shapes:
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def only(self, names: list[str]) -> DenseOnDemand:
        """Those of some modules."""
        return DenseOnDemand({name: self.shapes[name] for name in names}, self._make)

    def scaled(self, factor: Callable[[str], float]) -> DenseOnDemand:
        """The same differences times a factor that may depend on the module."""
        return DenseOnDemand(self.shapes, lambda name: self._make(name).scaled(factor(name)))


@dataclass(frozen=True)
class TaskVector:
    """The weight difference between a fine-tuned model and its base, by module.

    modules: module name as in the base's weight keys without '.weight'. base: digest of the base.
    """

    modules: Mapping[str, LowRank | Dense]
    base: str

    def in_layers(self, layers: list[int]) -> TaskVector:
        """tau_l for the given layers: the other layers are absent, not zero."""
        names = [name for name in self.modules if layer_of(name) in set(layers)]
        if isinstance(self.modules, DenseOnDemand):
            return TaskVector(self.modules.only(names), self.base)
        return TaskVector({name: self.modules[name] for name in names}, self.base)

    def shapes(self) -> dict[str, tuple[int, int]]:
        """(outputs, inputs) by module name."""
        if isinstance(self.modules, DenseOnDemand):
            return dict(self.modules.shapes)
        return {name: delta.shape for name, delta in self.modules.items()}

    def energy(self) -> float:
        """Squared Frobenius norm over all modules."""
        return sum(delta.energy() for delta in self.modules.values())

    def save(self, path: str | Path) -> None:
        """Write the differences; the metadata names the base, the modules and the layers."""
        about = {
            "base": self.base,
            "modules": sorted({part_of(name) for name in self.modules}),
            "layers": sorted({layer_of(name) for name in self.modules}),
        }
        # One key, since safetensors writes several in an order that changes from run to run.
        metadata = {"task_vector": json.dumps(about, sort_keys=True)}
        if isinstance(self.modules, DenseOnDemand):
            described = {f"{name}.dense": ("F32", shape) for name, shape in self.shapes().items()}
            write_tensors(
                path,
                described,
                lambda key: [self.modules[key.removesuffix(".dense")].values],
                metadata,
            )
            return
        tensors = {}
        for name, delta in self.modules.items():
            if isinstance(delta, Dense):
                tensors[f"{name}.dense"] = np.ascontiguousarray(delta.values, dtype=np.float32)
                continue
            tensors[f"{name}.lora_A"] = np.ascontiguousarray(delta.A, dtype=np.float32)
            tensors[f"{name}.lora_B"] = np.ascontiguousarray(delta.B, dtype=np.float32)
            tensors[f"{name}.scale"] = np.array(delta.scale, dtype=np.float64)
        save_file(tensors, str(path), metadata=metadata)

    @classmethod
    def load(cls, path: str | Path) -> TaskVector:
        """Read what `save` wrote; one line that names the file when it is something else.

        Differences that are all entry by entry are read when they are asked for.
        """
        _, metadata = read_tensors(path, set())
        if "task_vector" not in metadata:
            raise ValueError(f"{path}: not a task vector (no task_vector entry in its metadata)")
        base, places = json.loads(metadata["task_vector"])["base"], tensor_places(path)
        if places and all(key.endswith(".dense") for key in places):
            held = {key.removesuffix(".dense"): place for key, place in sorted(places.items())}
            shapes = {name: place.shape for name, place in held.items()}
            return cls(DenseOnDemand(shapes, lambda name: Dense(read_rows(held[name]))), base)
        tensors, _ = read_tensors(path)
        parts: dict[str, dict[str, np.ndarray]] = {}
        for key, tensor in tensors.items():
            name, _, part = key.rpartition(".")
            parts.setdefault(name, {})[part] = tensor
        modules: dict[str, LowRank | Dense] = {}
        for name, found in sorted(parts.items()):
            if set(found) == {"dense"}:
                modules[name] = Dense(found["dense"])
            elif set(found) == {"lora_A", "lora_B", "scale"}:
                modules[name] = LowRank(found["lora_A"], found["lora_B"], float(found["scale"]))
            else:
                raise ValueError(
                    f"{path}: '{name}' has {', '.join(sorted(found))}: expected lora_A, lora_B "
                    "and scale, or dense"
                )
        return cls(modules, base)


@contextmanager
def worked_out(vector: TaskVector, folder: Path) -> Iterator[TaskVector]:
    """The vector; if its differences are worked out on demand, read from a file in the meantime.

    For who asks for them several times. folder: where the file is, of the differences' size.
    """
    if not isinstance(vector.modules, DenseOnDemand):
        yield vector
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".differences.") as temporary:
        path = Path(temporary) / "differences.safetensors"
        vector.save(path)
        yield TaskVector.load(path)


def layer_of(module: str) -> int:
    """Number of the decoder layer that a module belongs to."""
    return int(_in_layer(module)["layer"])


def part_of(module: str) -> str:
    """What a module is within its decoder layer, such as self_attn.q_proj."""
    return _in_layer(module)["part"]


def factor_key(module: str, part: str) -> str:
    """PEFT's key of one factor of a module's difference: it follows the names in memory."""
    return f"{PEFT_PREFIX}{in_memory(module)}.lora_{part}.weight"


def weight_shapes(model: str | Path) -> dict[str, tuple[int, ...]]:
    """Shape of each weight of a model folder, read from the headers of its safetensors files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(Path(model).glob("*.safetensors")):
        with open_tensors(path) as file:
            shapes |= {key: file.shape(key) for key in file.keys()}
    if not shapes:
        raise ValueError(f"{model}: no safetensors files of a model")
    return shapes


def read_adapter(folder: str | Path) -> TaskVector:
    """The weight differences of a PEFT LoRA adapter, by the adapter's names of the modules.

    Raises ValueError when the adapter uses what a plain scale * B @ A does not express (DoRA,
    rsLoRA, biases, saved modules, patterns) or holds a key that is not a LoRA factor.
    """
    config_file = Path(folder) / "adapter_config.json"
    weights = Path(folder) / "adapter_model.safetensors"
    config = read_json(config_file)
    for key, allowed in _PLAIN.items():
        if key in config and config[key] not in allowed:
            raise ValueError(f"{config_file}: {key}: {config[key]!r} is not a plain LoRA")
    for key in ("r", "lora_alpha"):
        if not isinstance(config.get(key), int | float) or config[key] <= 0:
            raise ValueError(f"{config_file}: {key}: {config.get(key)!r} is not above zero")
    tensors, metadata = read_tensors(weights)
    modules = {}
    for key in sorted(tensors):
        match = _FACTOR.fullmatch(key)
        pair = match and [f"{PEFT_PREFIX}{match['module']}.lora_{part}.weight" for part in "AB"]
        if match is None or not set(pair) <= set(tensors):
            raise ValueError(f"{weights}: '{key}' is not one of a pair ...lora_A.weight, lora_B")
        if match["part"] == "A":
            a, b = (tensors[name].astype(np.float32) for name in pair)
            if not a.shape[0] == b.shape[1] == config["r"]:
                raise ValueError(
                    f"{weights}: {match['module']} is {b.shape} @ {a.shape}, "
                    f"adapter_config.json says r = {config['r']}"
                )
            modules[match["module"]] = LowRank(a, b, config["lora_alpha"] / config["r"])
    return TaskVector(modules, metadata.get("base", ""))


def extract_task_vector(adapter: str | Path, model: str | Path) -> TaskVector:
    """The task vector of an adapter, checked against the base model it must have been made for.

    Its modules are named as the base's files name them, however the adapter does.

    Raises ValueError when the adapter was made for another base, when a key matches no weight of
    the base or a shape does not fit, and when the vector is zero.
    """
    vector = read_adapter(adapter)
    check_base(vector, model, adapter)
    vector = spelled_as_on_disk(vector, model, adapter)
    check_fits(vector, model, adapter)
    if vector.energy() == 0:
        raise ValueError(f"{adapter}: the task vector is zero: was the adapter trained?")
    return vector


def spelled_as_on_disk(vector: TaskVector, model: str | Path, source: str | Path) -> TaskVector:
    """The vector with its modules named as the model's files name them, as far as these have them.

    Raises ValueError when it names one module in two spellings.
    """
    keys = weight_shapes(model)
    names = {on_disk(name, keys): name for name in vector.modules}
    if len(names) < len(vector.modules):
        raise ValueError(f"{source}: holds a module in two spellings: which is the adapter?")
    if all(new == old for new, old in names.items()):
        return vector
    return TaskVector({new: vector.modules[old] for new, old in names.items()}, vector.base)


def check_base(vector: TaskVector, model: str | Path, source: str | Path) -> None:
    """Raise ValueError unless the vector was made for this very model, by the model's digest."""
    if vector.base != folder_digest(Path(model) / MANIFEST):
        raise ValueError(f"{source}: made for another base than {model} (their digests differ)")


def check_fits(vector: TaskVector, model: str | Path, source: str | Path) -> None:
    """Raise ValueError unless each module is a weight of the model and has its shape.

    An edit whose keys match nothing would change nothing, silently.
    """
    shapes = weight_shapes(model)
    unmatched = [name for name in vector.modules if f"{name}.weight" not in shapes]
    if unmatched:
        spelled = next((key for key in sorted(shapes) if "layers." in key), min(shapes))
        raise ValueError(
            f"{source}: {len(unmatched)} of {len(vector.modules)} modules match no weight of "
            f"{model}, first '{unmatched[0]}' (the base spells its keys '{spelled}')"
        )
    for name, shape in vector.shapes().items():
        if shape != shapes[f"{name}.weight"]:
            raise ValueError(
                f"{source}: {name} is {shape}, {model} expects {shapes[f'{name}.weight']}: "
                "made for another base?"
            )


def combine(vectors: Mapping[str, TaskVector], weights: Mapping[str, float]) -> TaskVector:
    """Weighted sum of task vectors, exact: the factors are stacked, so ranks add up.

    Raises ValueError when the vectors come from different bases.
    """
    if len({vectors[name].base for name in weights}) > 1:
        raise ValueError(f"task vectors {', '.join(weights)} were made for different bases")
    parts = [
        {module: LowRank(d.A, d.B, d.scale * weight) for module, d in vectors[name].modules.items()}
        for name, weight in weights.items()
    ]
    if len(parts) == 1:
        return TaskVector(parts[0], vectors[next(iter(weights))].base)
    modules = {}
    for module in sorted(set().union(*parts)):
        deltas = [part[module] for part in parts if module in part]
        stacked_b = np.concatenate([np.float32(d.scale) * d.B for d in deltas], axis=1)
        modules[module] = LowRank(np.concatenate([d.A for d in deltas]), stacked_b)
    return TaskVector(modules, vectors[next(iter(weights))].base)


def _in_layer(module: str) -> re.Match[str]:
    match = _LAYER.search(module)
    if match is None or "vision" in module:
        raise ValueError(f"module '{module}' is not in a decoder layer")
    return match
