"""Intended and landed energy of an edit: one row a module, and the sums over all modules.

numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from stethoscope.edits.projection import StreamMap, measured, oracle_energy, writes_to_stream
from stethoscope.runtime.tensor_files import row_blocks, to_bfloat16
from stethoscope.task_vectors.delta import Delta
from stethoscope.task_vectors.task_vector import TaskVector, layer_of, part_of

RECORD_COLUMNS = [
    "layer", "module", "entries", "energy_weight", "energy_vector", "energy_kept",
    "measured_vector", "measured_kept", "energy_oracle", "chance", "energy_edit", "landed_fp32",
    "inner_fp32", "unchanged_fp32", "outside_fp32", "landed_bf16", "inner_bf16", "unchanged_bf16",
    "outside_bf16",
]  # fmt: skip


def energy_record(
    vector: TaskVector,
    kept: TaskVector,
    edit: TaskVector,
    weights: Mapping[str, np.ndarray],
    maps: Mapping[str, StreamMap] | None,
) -> pd.DataFrame:
    """Intended and landed energy of an edit, one row a module.

    vector: tau in the selected layers. kept: its transform, before any rescaling. edit: as added.
    weights: the base's fp32 weights by module name. maps: of the projection, by module name; None
    without one.

    Columns: energies are squared Frobenius norms. `measured_*` are energies where the projector is
    orthogonal: those of the weights, or for the norm-aware reading those behind the norm's gain.
    `energy_oracle` is the most that a projection on as many dimensions could keep there, `chance`
    the share that random directions keep. `landed_*` and `inner_*` describe
    D = stored(W + edit) - stored(W) for weights stored as fp32 and as bf16: its energy and its
    inner product with the intended edit; `unchanged_*` counts the entries whose stored value did
    not move; `outside_*` is the energy of D outside of what the projection can reach. Oracle,
    chance and outside are empty where nothing is projected.
    """
    rows = []
    for name in edit.modules:
        weight, where = weights[name], maps[name] if maps else None
        seen, left, delta = (v.modules[name].in_memory() for v in (vector, kept, edit))
        energies = {"energy_vector": seen.energy(), "energy_kept": left.energy()}
        if where:
            seen, left = (measured(name, part, where.gain) for part in (seen, left))
        rows.append(
            {
                "layer": layer_of(name),
                "module": part_of(name),
                "entries": weight.size,
                **energies,
                "measured_vector": seen.energy(),
                "measured_kept": left.energy(),
                "energy_oracle": oracle_energy(seen, where.dimensions) if where else None,
                "chance": where.chance if where else None,
                "energy_edit": delta.energy(),
                **_landed(name, delta, weight, where),
            }
        )
    return pd.DataFrame(rows, columns=RECORD_COLUMNS)


def _landed(
    name: str, delta: Delta, weight: np.ndarray, where: StreamMap | None
) -> dict[str, float | int | None]:
    """Energy of a weight, and what an edit of it moves: columns of `energy_record`."""
    sums: dict[str, Any] = {"energy_weight": 0.0}
    for kind in ("fp32", "bf16"):
        sums |= {f"landed_{kind}": 0.0, f"inner_{kind}": 0.0, f"unchanged_{kind}": 0}
        sums[f"outside_{kind}"] = 0.0 if where else None
    for part in _parts_along_the_stream(name, *weight.shape):
        before = weight[part]
        intended = delta.dense(*part)
        edited = before + intended
        sums["energy_weight"] += float(np.sum(before.astype(np.float64) ** 2))
        for kind, old, new in (
            ("fp32", before, edited),
            ("bf16", to_bfloat16(before), to_bfloat16(edited)),
        ):
            landed = new.astype(np.float64) - old
            sums[f"landed_{kind}"] += float(np.sum(landed**2))
            sums[f"inner_{kind}"] += float(np.sum(landed * intended))
            sums[f"unchanged_{kind}"] += int(np.sum(landed == 0))
            if where:
                side = landed if writes_to_stream(name) else landed.T
                sums[f"outside_{kind}"] += where.outside(side)
    return sums


def energy_summary(record: pd.DataFrame) -> dict[str, Any]:
    """An edit's energies over all its modules, as shares (design of the table: `energy.tsv`).

    energy_retained = ||P tau||^2 / ||tau||^2 in the selected layers, 1 for raw edits, and where
    task vectors are merged otherwise than by their sum the share of the sum's energy;
    norm_retained is its square root. chance and oracle are the shares that a random and the best
    projection of the same rank keep; alignment = (retained - chance) / (oracle - chance), 0 at
    chance and 1 at the best. landed_energy and landed_cosine compare the change of the stored
    weights with the intended one; unchanged is the share of entries that did not move, outside the
    share of the change that the projection cannot have made.
    """
    total = record.drop(columns=["layer", "module"]).astype(float).sum()
    is_projection = record["chance"].notna().any()
    by_chance = (record["chance"] * record["measured_vector"]).astype(float).sum()

    def share(part: float, whole: float) -> float | None:
        """None where the whole is zero: for the base, or alpha = 0."""
        return float(part / whole) if whole > 0 else None

    def root(value: float | None) -> float | None:
        return None if value is None else float(np.sqrt(value))

    retained = share(total["measured_kept"], total["measured_vector"])
    chance = oracle = alignment = None
    if is_projection:
        chance = share(by_chance, total["measured_vector"])
        oracle = share(total["energy_oracle"], total["measured_vector"])
    if None not in (retained, chance, oracle):
        alignment = share(retained - chance, oracle - chance)
    layers = sorted(set(record["layer"]))
    summary = {
        "n_layers": len(layers),
        "layers": ",".join(map(str, layers)),
        "energy_task_vector": float(total["energy_vector"]),
        "energy_edit": float(total["energy_edit"]),
        "energy_retained": retained,
        "norm_retained": root(retained),
        "chance": chance,
        "oracle": oracle,
        "alignment": alignment,
        "relative_norm": root(share(total["energy_edit"], total["energy_weight"])),
    }
    for kind in ("fp32", "bf16"):
        landed, intended = total[f"landed_{kind}"], total["energy_edit"]
        summary |= {
            f"landed_energy_{kind}": share(landed, intended),
            f"landed_cosine_{kind}": share(total[f"inner_{kind}"], np.sqrt(landed * intended)),
            f"unchanged_{kind}": share(total[f"unchanged_{kind}"], total["entries"]),
            f"outside_{kind}": share(total[f"outside_{kind}"], landed) if is_projection else None,
        }
    return summary


def _parts_along_the_stream(
    module: str, outputs: int, inputs: int
) -> Iterator[tuple[slice, slice]]:
    """A weight in blocks that each span the side of the residual stream, as rows and columns."""
    if writes_to_stream(module):
        yield from ((slice(None), part) for part in row_blocks(inputs, outputs))
    else:
        yield from ((part, slice(None)) for part in row_blocks(outputs, inputs))
