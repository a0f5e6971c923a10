"""Fetch the published SAE of one layer: its configuration and weights, checked, and linked."""

from pathlib import Path

from stethoscope.runtime.fetch import Source, fetch, link
from stethoscope.runtime.files import atomic_folder
from stethoscope.runtime.jobs import run
from stethoscope.saes.formats import check_sae, files_of


def main(outputs, params, wildcards, progress) -> None:
    settings, layer = dict(params.settings), int(wildcards.layer)
    below = settings.pop("folder").replace("{layer}", str(layer))
    wanted = {f"{below}/{name}": name for name in files_of(settings.pop("format"))}
    source = Source(**settings)
    files = fetch(source, list(wanted))
    with atomic_folder(Path(outputs[0]).parent) as folder:
        for name, path in files.items():
            link(path, folder / wanted[name])
        check_sae(folder, layer, params.width)
    size = sum(path.stat().st_size for path in files.values())
    progress(f"{source}: {below}, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    run(main)
