"""What a layer selector is told, and what it reads."""

from stethoscope.selection.select import SELECTORS


def selection_settings(wildcards):
    """How a selection is made, each of its draws alike."""
    settings = dict(STUDY["selections"][wildcards.selection])
    settings.pop("draws", None)
    if "scoring" in SELECTORS[settings["by"]].needs:
        settings["scoring"] = SCORING
    return settings


def selection_inputs(wildcards):
    """Files that a selector reads, by what it declares to need."""
    settings = selection_settings(wildcards)
    inputs = SELECTORS[settings["by"]].inputs(settings, len(LAYERS))
    return {key: [in_seed(path) for path in paths] for key, paths in inputs.items()}
