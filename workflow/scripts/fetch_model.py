"""Fetch the study's base model: only what is read of it, checked, and linked."""

from pathlib import Path

from stethoscope.runtime.fetch import MODEL_FILES, Source, check_model, fetch, link
from stethoscope.runtime.files import atomic_folder
from stethoscope.runtime.jobs import job

with job(snakemake) as progress:
    settings = dict(snakemake.params.settings)
    layers, hidden = settings.pop("layers"), settings.pop("hidden")
    source = Source(**settings)
    files = fetch(source, MODEL_FILES)
    check_model(files, source, layers, hidden)
    with atomic_folder(Path(snakemake.output[0]).parent) as folder:
        for name, path in files.items():
            link(path, folder / name)
    size = sum(path.stat().st_size for path in files.values())
    progress(f"{source}: {len(files)} files, {size / 1e9:.2f} GB")
