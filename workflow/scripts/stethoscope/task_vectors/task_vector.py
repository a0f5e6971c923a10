"""Task vectors by module (paper, section 3; Ilharco et al. 2022), and the base they belong to.

numpy only.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from stethoscope.models.parameter_names import on_disk
from stethoscope.models.weights import weight_shapes
from stethoscope.runtime.files import MANIFEST, folder_digest
from stethoscope.runtime.tensor_files import (
    read_rows,
    read_tensors,
    tensor_places,
    write_tensors,
)
from stethoscope.task_vectors.delta import Delta, LowRank, OnDemand

_LAYER = re.compile(r"(?:^|\.)layers\.(?P<layer>\d+)\.(?P<part>.+)")


@dataclass(frozen=True)
class TaskVector:
    """The weight difference between a fine-tuned model and its base, by module.

    modules: module name as in the base's weight keys without '.weight'. base: digest of the base.
    """

    modules: Mapping[str, Delta]
    base: str

    def in_layers(self, layers: list[int]) -> TaskVector:
        """tau_l for the given layers: the other layers are absent, not zero."""
        wanted = set(layers)
        kept = {name: delta for name, delta in self.modules.items() if layer_of(name) in wanted}
        return TaskVector(kept, self.base)

    def shapes(self) -> dict[str, tuple[int, int]]:
        """(outputs, inputs) by module name."""
        return {name: delta.shape for name, delta in self.modules.items()}

    def energy(self) -> float:
        """Squared Frobenius norm over all modules."""
        return sum(delta.energy() for delta in self.modules.values())

    @contextmanager
    def worked_out(self, folder: Path) -> Iterator[TaskVector]:
        """The same vector with on-demand differences stored in temporary files, for repeated use.

        folder: parent of the temporary files, which are as large as the differences.
        """
        with tempfile.TemporaryDirectory(dir=folder, prefix=".differences.") as temporary:
            kept = {n: delta.on_disk(Path(temporary)) for n, delta in self.modules.items()}
            yield TaskVector(kept, self.base)

    def save(self, path: str | Path) -> None:
        """Write the differences; the metadata names the base, the modules and the layers.

        Dense differences are written one by one, so that one at a time is in memory.
        """
        description = {
            "base": self.base,
            "modules": sorted({part_of(name) for name in self.modules}),
            "layers": sorted({layer_of(name) for name in self.modules}),
        }
        # One key, since safetensors writes several in an order that changes from run to run.
        metadata = {"task_vector": json.dumps(description, sort_keys=True)}
        if self.modules and not any(delta.low_rank for delta in self.modules.values()):
            headers = {f"{name}.dense": ("F32", shape) for name, shape in self.shapes().items()}
            write_tensors(
                path,
                headers,
                lambda key: [self.modules[key.removesuffix(".dense")].dense()],
                metadata,
            )
            return
        tensors = {
            f"{name}.{part}": tensor
            for name, delta in self.modules.items()
            for part, tensor in delta.tensors().items()
        }
        save_file(tensors, str(path), metadata=metadata)

    @classmethod
    def load(cls, path: str | Path) -> TaskVector:
        """Read what `save` wrote; one line that names the file when it is something else.

        Factors are read now, other differences when they are used.
        """
        _, metadata = read_tensors(path, set())
        if "task_vector" not in metadata:
            raise ValueError(f"{path}: not a task vector (no task_vector entry in its metadata)")
        stored = tensor_places(path)
        parts: dict[str, set[str]] = {}
        for key in stored:
            name, _, part = key.rpartition(".")
            parts.setdefault(name, set()).add(part)
        for name, kinds in sorted(parts.items()):
            if kinds not in ({"dense"}, {"lora_A", "lora_B", "scale"}):
                raise ValueError(
                    f"{path}: '{name}' has {', '.join(sorted(kinds))}: expected lora_A, lora_B "
                    "and scale, or dense"
                )
        factors, _ = read_tensors(path, {key for key in stored if not key.endswith(".dense")})
        modules: dict[str, Delta] = {}
        for name, kinds in sorted(parts.items()):
            if "dense" in kinds:
                tensor = stored[f"{name}.dense"]
                modules[name] = OnDemand(tensor.shape, partial(read_rows, tensor))
            else:
                a, b, scale = (factors[f"{name}.{p}"] for p in ("lora_A", "lora_B", "scale"))
                modules[name] = LowRank(a, b, float(scale))
        return cls(modules, json.loads(metadata["task_vector"])["base"])


def scaled(vector: TaskVector, alpha: float | np.ndarray) -> TaskVector:
    """alpha * tau in fp32, with alpha in B; alpha = 1 leaves every bit of fp32 factors.

    alpha: one number, or (layers,) one for each layer.
    """

    def factor(name: str) -> float:
        return float(alpha if np.ndim(alpha) == 0 else alpha[layer_of(name)])

    modules = {name: delta.scaled(factor(name)) for name, delta in vector.modules.items()}
    return TaskVector(modules, vector.base)


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


def layer_energies(vector: TaskVector, n_layers: int) -> np.ndarray:
    """(layers,) squared Frobenius norm of a task vector in each layer.

    Raises ValueError when the vector holds nothing for a layer.
    """
    energies = np.zeros(n_layers)
    for name, delta in vector.modules.items():
        energies[layer_of(name)] += delta.energy()
    if not energies.all():
        raise ValueError(f"the task vector is zero in layer {int(energies.argmin())}")
    return energies


def layer_of(module: str) -> int:
    """Number of the decoder layer that a module belongs to."""
    return int(_in_layer(module)["layer"])


def part_of(module: str) -> str:
    """Name of a module within its decoder layer, such as self_attn.q_proj."""
    return _in_layer(module)["part"]


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
        example = next((key for key in sorted(shapes) if "layers." in key), min(shapes))
        raise ValueError(
            f"{source}: {len(unmatched)} of {len(vector.modules)} modules match no weight of "
            f"{model}, first '{unmatched[0]}' (the base spells its keys '{example}')"
        )
    for name, shape in vector.shapes().items():
        if shape != shapes[f"{name}.weight"]:
            raise ValueError(
                f"{source}: {name} is {shape}, {model} expects {shapes[f'{name}.weight']}: "
                "made for another base?"
            )


def _in_layer(module: str) -> re.Match[str]:
    match = _LAYER.search(module)
    if match is None or "vision" in module:
        raise ValueError(f"module '{module}' is not in a decoder layer")
    return match
