"""What a layer selector is told, and what it reads."""


def selection_settings(wildcards):
    """How a selection is made, each of its draws alike."""
    settings = dict(STUDY["selections"][wildcards.selection])
    settings.pop("draws", None)
    if settings["by"] == "permuted_specificity":
        settings["scoring"] = SCORING
    return settings


def selection_inputs(wildcards):
    """What a selector reads: other selections, SP or gains, activations, task vectors, weights."""
    settings = selection_settings(wildcards)
    inputs = {
        key: [in_seed(f"selections/{name}.json") for name in names]
        for key, names in studies.selections_named(settings).items()
    }
    if settings["by"] in ("specificity", "n_features"):
        inputs["table"] = in_seed(f"specificity/{settings['sae']}/{settings['subject']}.tsv")
    if settings["by"] in ("activation_magnitude", "permuted_specificity"):
        sums = in_seed(f"specificity/{settings['sae']}/activations")
        inputs["sums"] = [f"{sums}/layer_{layer}.safetensors" for layer in LAYERS]
    if settings["by"] in ("first_order_gain", "add_one_in", "leave_one_out"):
        inputs["gains"] = in_seed(f"gains/{settings['vector']}/{settings['subject']}.tsv")
        return inputs  # the vector itself is not looked at again
    for key in ("vector", "match_norm_of"):
        if key in settings:
            inputs[key] = in_seed(f"vectors/{settings[key]}.safetensors")
    if settings["by"] == "off_principal_energy" or settings.get("relative_to_weights"):
        inputs["model"] = in_seed("model/manifest.json")
    return inputs
