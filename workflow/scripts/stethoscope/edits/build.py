"""Building an edit: all its draws at all its alphas, each a folder (paper, eq. 3). numpy only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from stethoscope.edits.bases import directions, read_gains
from stethoscope.edits.energy import energy_record
from stethoscope.edits.files import save_edit
from stethoscope.edits.projection import stream_width
from stethoscope.edits.spec import EditSpec
from stethoscope.edits.transforms import TRANSFORMS, Parts, Transformed
from stethoscope.models.weights import read_weights
from stethoscope.names import EditId, edit_folder, edit_name, sets_by_draw
from stethoscope.runtime.files import (
    MANIFEST,
    atomic_folder,
    folder_digest,
    folder_digests,
    read_json,
    write_json,
    write_table,
)
from stethoscope.task_vectors.task_vector import (
    TaskVector,
    check_base,
    check_fits,
    layer_of,
    scaled,
)


def build_edits(
    edits: Sequence[EditId],
    spec: EditSpec,
    model: Path,
    files: Mapping[str, Any],
    folder: Path,
    progress: Callable[[str], None],
) -> dict[str, dict]:
    """Write edits of one spec; return spec, draw, alpha, sha256 of files of each, by its folder.

    edits: each at an alpha; draws follow one another. model: folder of the base. files: paths of
    the spec's `vectors` in its order, `selection`, `search`, and the files of its basis
    (`bases.directions`). folder: parent of the edits' folders.

    Raises ValueError when a task vector was made for another base or lacks a selected layer.
    """
    base, written = folder_digest(model / MANIFEST), {}
    vectors = {}
    for name, path in zip(spec.vectors, files.get("vectors", []), strict=True):
        vectors[name] = TaskVector.load(path)
        check_base(vectors[name], model, path)
        check_fits(vectors[name], model, path)
    sets = sets_by_draw(read_json(files["selection"])) if vectors else {None: {"layers": []}}
    for draw in dict.fromkeys(edit.draw for edit in edits):
        drawn = spec.of_draw(draw)
        # An edit with draws of its own changes the same layers in each.
        layers = sets[draw if draw in sets else None]["layers"]
        nothing = TaskVector({}, base)
        made = Transformed(nothing, nothing)
        if vectors:
            made = _transformed(drawn, vectors, layers, model, files)
        searched = read_json(files["search"])["kept"][draw - 1] if spec.search else None
        description = {
            "scale": made.scale,
            "layers": layers,
            "vectors": spec.vectors,
            "transform": spec.transform,
            "projection": drawn.projection,
            "merging": drawn.merging,
            "search": searched and {"search": spec.search, **searched},
            "base": base,
        }
        by_layer = np.array(searched["alphas"]) if searched else 1.0
        of_draw = [edit for edit in edits if edit.draw == draw]
        written |= _write(of_draw, made, by_layer, description, model, folder, progress)
    return written


def _transformed(
    spec: EditSpec,
    vectors: Mapping[str, TaskVector],
    layers: Sequence[int],
    model: Path,
    files: Mapping[str, Any],
) -> Transformed:
    """The transformed task vectors of one draw in some layers, before alpha."""
    parts = {name: vector.in_layers(layers) for name, vector in vectors.items()}
    modules = sorted(set().union(*(part.modules for part in parts.values())))
    if missing := set(layers) - {layer_of(name) for name in modules}:
        raise ValueError(f"{files['vectors'][0]}: holds nothing for layer {min(missing)}")
    basis = gains = None
    if settings := spec.projection:
        width = stream_width(next(iter(parts.values())).modules)
        basis = directions(settings, layers, width, files)
        gains = read_gains(model, modules) if settings["reading"] == "norm_aware" else None
    return TRANSFORMS[spec.transform](Parts(parts, spec, basis, gains))


def _write(
    edits: Sequence[EditId],
    made: Transformed,
    by_layer: np.ndarray | float,
    description: Mapping[str, Any],
    model: Path,
    folder: Path,
    progress: Callable[[str], None],
) -> dict[str, dict]:
    """Write one draw at each of its alphas: the edit, its energies and its description."""
    weights, written = read_weights(model, list(made.kept.modules)), {}
    folder.mkdir(parents=True, exist_ok=True)
    with made.kept.worked_out(folder) as kept:
        for edit in edits:
            name = edit_folder(edit)
            added = scaled(kept, edit.alpha * made.scale * by_layer)
            record = energy_record(made.vector, kept, added, weights, made.maps)
            described = {"edit": edit_name(edit), "alpha": edit.alpha, **description}
            with atomic_folder(folder / name) as target:
                save_edit(target, added, model.as_posix())
                write_table(target / "energy.tsv", record)
                write_json(target / "edit.json", described)
            written[name] = {**asdict(edit), "files": folder_digests(folder / name)}
            norm = record["energy_edit"].sum() ** 0.5
            progress(f"{name}: layers {description['layers']}, norm {norm:.3f}")
    return written
