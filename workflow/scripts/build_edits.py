"""Build an edit, all its draws at all its alphas: alpha * tau in the selected layers (eq. 3)."""

from pathlib import Path

import numpy as np

from stethoscope.edits.bases import directions
from stethoscope.edits.editing import energy_record, read_gains, read_weights, save_edit, scaled
from stethoscope.edits.projection import stream_width
from stethoscope.edits.transforms import Transformed, transformed
from stethoscope.runtime.files import (
    atomic_folder,
    folder_digest,
    folder_digests,
    read_json,
    write_json,
    write_table,
)
from stethoscope.runtime.jobs import job
from stethoscope.study.queries import alpha_name, concrete_selections
from stethoscope.task_vectors.task_vector import (
    TaskVector,
    check_base,
    check_fits,
    layer_of,
    worked_out,
)

with job(snakemake) as progress:
    model, target = Path(snakemake.input.model).parent, Path(snakemake.output[0])
    nothing = TaskVector({}, folder_digest(snakemake.input.model))
    vectors = {Path(path).stem: path for path in snakemake.input.get("vectors", [])}
    selected = concrete_selections(read_json(snakemake.input.selection)) if vectors else {}
    for name, path in vectors.items():
        vectors[name] = TaskVector.load(path)
        check_base(vectors[name], model, path)
        check_fits(vectors[name], model, path)
    written = {}
    for edit, recipe in snakemake.params.edits.items():
        layers, made = [], Transformed(nothing, nothing)
        if vectors:
            layers = selected[recipe["selection"]]["layers"]
            parts = {name: vectors[name].in_layers(layers) for name in recipe["vectors"]}
            modules = sorted(set().union(*(part.modules for part in parts.values())))
            if missing := set(layers) - {layer_of(name) for name in modules}:
                raise ValueError(
                    f"{snakemake.input.vectors[0]}: holds nothing for layer {min(missing)}"
                )
            basis, gains = None, None
            if how := recipe.get("projection"):
                width = stream_width(next(iter(parts.values())).modules)
                basis = directions(how, layers, width, snakemake.input)
                gains = read_gains(model, modules) if how["reading"] == "norm_aware" else None
            made = transformed(parts, recipe, basis, gains)
        found, by_layer = None, 1.0
        if "search" in recipe:
            found = read_json(snakemake.input.search)["kept"][recipe["draw"] - 1]
            by_layer = np.array(found["alphas"])
        weights = read_weights(model, list(made.kept.modules))
        with worked_out(made.kept, target.parent) as kept:
            for alpha in snakemake.params.alphas:
                added = scaled(kept, alpha * made.scale * by_layer)
                record = energy_record(made.vector, kept, added, weights, made.maps)
                place = f"{edit}/alpha-{alpha_name(alpha)}"
                with atomic_folder(target.parent / place) as folder:
                    save_edit(folder, added, model.as_posix())
                    write_table(folder / "energy.tsv", record)
                    described = {
                        "edit": edit,
                        "alpha": alpha,
                        "scale": made.scale,
                        "layers": layers,
                        "vectors": recipe["vectors"],
                        "transform": recipe["transform"],
                        "projection": recipe.get("projection"),
                        "merging": recipe.get("merging"),
                        "search": found and {"search": recipe["search"], **found},
                        "base": nothing.base,
                    }
                    write_json(folder / "edit.json", described)
                written[place] = folder_digests(target.parent / place)
                progress(f"{place}: layers {layers}, norm {record['energy_edit'].sum() ** 0.5:.3f}")
    write_json(target, {"family": snakemake.wildcards.family, "written": written})
