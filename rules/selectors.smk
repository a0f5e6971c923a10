"""Settings and inputs of layer selectors."""

from stethoscope.selection.select import SELECTORS


def selection_settings(wildcards):
    """Settings of a selection, the same for each of its draws."""
    settings = dict(STUDY["selections"][wildcards.selection])
    settings.pop("draws", None)
    if "scoring" in SELECTORS[settings["by"]].needs:
        settings["scoring"] = SCORING
    return settings


def selection_inputs(wildcards):
    """Files that a selector reads, by the needs and references that it declares."""
    settings = selection_settings(wildcards)
    inputs = SELECTORS[settings["by"]].inputs(settings, len(LAYERS))
    return {key: [in_seed(path) for path in paths] for key, paths in inputs.items()}
