"""Fetch the study's base model: only the files that jobs read, checked, and linked."""

from pathlib import Path

from stethoscope.runtime.fetch import MODEL_FILES, Source, check_model, fetch, link
from stethoscope.runtime.files import atomic_folder
from stethoscope.runtime.jobs import run


def main(outputs, params, progress) -> None:
    settings = dict(params.settings)
    layers, hidden = settings.pop("layers"), settings.pop("hidden")
    source = Source(**settings)
    files = fetch(source, MODEL_FILES)
    check_model(files, source, layers, hidden)
    with atomic_folder(Path(outputs[0]).parent) as folder:
        for name, path in files.items():
            link(path, folder / name)
    size = sum(path.stat().st_size for path in files.values())
    progress(f"{source}: {len(files)} files, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    run(main)
