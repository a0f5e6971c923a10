"""How large a task vector is in each layer."""

from __future__ import annotations

import numpy as np

from stethoscope.task_vectors.task_vector import TaskVector, layer_of


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
