"""Build an edit: alpha * tau in the selected layers, raw, projected or merged (paper, eq. 3)."""

from pathlib import Path

import numpy as np

from stethoscope.directions import directions
from stethoscope.editing import (
    energy_record,
    matching_scale,
    projected,
    read_gains,
    read_weights,
    save_edit,
    scaled,
)
from stethoscope.jobs import job
from stethoscope.merging import METHODS
from stethoscope.projection import stream_maps, stream_width
from stethoscope.provenance import (
    atomic_folder,
    folder_digest,
    read_json,
    write_json,
    write_table,
)
from stethoscope.taskvectors import TaskVector, check_base, check_fits, combine, layer_of

with job(snakemake) as progress:
    settings, alpha = snakemake.params.settings, float(snakemake.wildcards.alpha)
    model = Path(snakemake.input.model).parent
    vector = TaskVector({}, folder_digest(snakemake.input.model))
    layers, parts = [], {}
    if settings["vectors"]:
        layers = read_json(snakemake.input.selection)["layers"]
        sources = dict(zip(settings["vectors"], snakemake.input.vectors, strict=True))
        for name, path in sources.items():
            whole = TaskVector.load(path)
            check_base(whole, model, path)
            check_fits(whole, model, path)
            parts[name] = whole.in_layers(layers)
        vector = combine(parts, settings["vectors"])
        if missing := set(layers) - {layer_of(name) for name in vector.modules}:
            raise ValueError(
                f"{snakemake.input.vectors[0]}: holds nothing for layer {min(missing)}"
            )
    kept, maps, scale = vector, None, 1.0
    if settings["transform"] in ("project", "raw_matched"):
        how = settings["projection"]
        aware = how["reading"] == "norm_aware"
        maps = stream_maps(
            vector.modules,
            directions(how, layers, stream_width(vector.modules), snakemake.input),
            how["reading"],
            complement=how["basis"] == "complement",
            gains=read_gains(model, list(vector.modules)) if aware else None,
        )
        kept = projected(vector, maps)
        if settings["transform"] == "raw_matched":
            # the raw vector, shrunk to the norm that the projection has
            kept, maps = scaled(vector, matching_scale(vector, kept)), None
        elif how["match_norm"]:
            scale = matching_scale(kept, vector)
    elif settings["transform"] in METHODS:
        merge = METHODS[settings["transform"]]
        kept = TaskVector(
            dict(merge(parts, settings["vectors"], **settings["merging"])), vector.base
        )
    found, by_layer = None, 1.0
    if "search" in settings:
        found = read_json(snakemake.input.search)["kept"][settings["draw"] - 1]
        by_layer = np.array(found["alphas"])
    edit = scaled(kept, alpha * scale * by_layer)
    weights = read_weights(model, list(edit.modules))
    with atomic_folder(Path(snakemake.output[0]).parent) as folder:
        save_edit(folder, edit, model.as_posix())
        write_table(folder / "energy.tsv", energy_record(vector, kept, edit, weights, maps))
        described = {
            "edit": snakemake.wildcards.edit,
            "alpha": alpha,
            "scale": scale,
            "layers": layers,
            "vectors": settings["vectors"],
            "transform": settings["transform"],
            "projection": settings.get("projection"),
            "merging": settings.get("merging"),
            "search": found and {"search": settings["search"], **found},
            "base": vector.base,
        }
        write_json(folder / "edit.json", described)
    progress(f"layers {layers}, norm {edit.energy() ** 0.5:.3f}")
