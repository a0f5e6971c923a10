"""The checked study, the names that wildcards may take, and getters that read like English."""

import os
import sys
from pathlib import Path

from snakemake.logging import logger

# Relative, so that a moved checkout has the same inputs and reruns nothing.
ROOT = Path(os.path.relpath(workflow.current_basedir.join("..").get_path_or_uri(secret_free=True)))
LIBRARY = ROOT / "workflow/scripts"
sys.path.append(str(LIBRARY.resolve()))

from stethoscope import study as studies
from stethoscope.provenance import code_digest as digest_of_code

# No rule reaches a model hub, and no library draws progress bars of its own.
for variable, value in {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "WANDB_MODE": "disabled",
}.items():
    os.environ.setdefault(variable, value)

# Jobs say themselves what they do; of Snakemake's own lines the count of steps is left.
SCAFFOLDING = ("Select jobs", "Execute ", "Finished jobid", "Assuming unrestricted", "Using shell")
logger.addFilter(lambda record: not record.getMessage().startswith(SCAFFOLDING))


def checked(config):
    """The study that the configuration describes; one line and an end where it is wrong."""
    schema = studies.load_yaml(ROOT / "config/schemas/study.schema.yaml")
    source = " + ".join(str(path) for path in workflow.configfiles)
    try:
        for path in workflow.configfiles:
            studies.load_yaml(path)
        return studies.check(config, schema, source)
    except ValueError as error:
        sys.exit(f"error: {error}")


STUDY = checked(config)
config.clear()
config.update(STUDY)

RESULTS = f"results/{STUDY['study']['name']}"
SEED = f"{RESULTS}/seed-{{seed}}"
LAYERS = range(studies.layer_count(STUDY))
PUBLISHED = ROOT / "config/published"
TEMPLATES = ROOT / "report"
OURS = next(edit["selection"] for edit in STUDY["edits"].values() if edit["role"] == "ours")
SCORED = studies.scored_encoders(STUDY)
SCORING = studies.scoring(STUDY)
EDITS = {family: studies.edit_names(STUDY, family) for family in studies.families(STUDY)}
EVALUATED = studies.evaluated(STUDY)


pathvars:
    results=RESULTS,
    seed=SEED,
    logs=f"logs/{STUDY['study']['name']}",
    benchmarks=f"{RESULTS}/benchmarks",


wildcard_constraints:
    seed=r"\d+",
    layer=r"\d+",
    split="validation|test|sweep|noise",
    sae="|".join(STUDY["saes"]),
    control="random|coordinates",
    vector="|".join(STUDY["vectors"]),
    subject="|".join(STUDY["subjects"]),
    selection="|".join(
        name for family in STUDY["selections"] for name in studies.selection_names(STUDY, family)
    ),
    family="|".join(EDITS),
    edit="|".join(edit for edits in EDITS.values() for edit in edits),
    alpha=r"-?\d+(\.\d+)?(e-?\d+)?",


def code_digest(rule):
    """Digest of a rule's script and of the library modules it uses: content decides what reruns."""
    return digest_of_code(LIBRARY / f"{rule}.py", LIBRARY / "stethoscope")


def in_seed(path):
    """Path of a result in the folder of the job's own seed."""
    return f"{SEED}/{path}"


def for_each_seed(path):
    """Paths of one result in each seed's folder."""
    return [in_seed(path).replace("{seed}", str(seed)) for seed in STUDY["seeds"]]


def of_subject(section, key):
    """Settings of the thing that a rule's wildcard names, such as those of one SAE."""
    return lambda wildcards: STUDY[section][getattr(wildcards, key)]


def selection_settings(wildcards):
    """How the concrete selection is made; for a random one, which draw it is."""
    settings = dict(STUDY["selections"][wildcards.selection.partition("-")[0]])
    if settings.pop("draws", None):
        settings["draw"] = studies.draw_of(wildcards.selection)
    return settings


def selection_inputs(wildcards):
    """What a selector reads: other selections, SP tables, activations, task vectors, weights."""
    settings = selection_settings(wildcards)
    inputs = {
        key: [in_seed(f"selections/{name}.json") for name in names]
        for key, names in studies.selections_named(settings).items()
    }
    if settings["by"] in ("specificity", "n_features"):
        inputs["table"] = in_seed(f"specificity/{settings['sae']}/{settings['subject']}.tsv")
    if settings["by"] == "activation_magnitude":
        sums = in_seed(f"specificity/{settings['sae']}/activations")
        inputs["sums"] = [f"{sums}/layer_{layer}.safetensors" for layer in LAYERS]
    for key in ("vector", "match_norm_of"):
        if key in settings:
            inputs[key] = in_seed(f"vectors/{settings[key]}.safetensors")
    if settings["by"] == "off_principal_energy" or settings.get("relative_to_weights"):
        inputs["model"] = in_seed("model/manifest.json")
    return inputs


def edit_settings(wildcards):
    """What the configured edit behind a concrete one is made of."""
    family = studies.family_of(STUDY, wildcards.edit)
    settings = studies.recipe(STUDY, family)
    if "projection" in settings:
        settings["projection"] = {**settings["projection"], "draw": studies.draw_of(wildcards.edit)}
        settings["projection"].pop("draws", None)
    return settings


def edit_inputs(wildcards):
    """What an edit is made from: task vectors, the selection, and what a projection reads."""
    if wildcards.edit == studies.BASE:
        return {}
    settings = edit_settings(wildcards)
    inputs = {
        "vectors": [in_seed(f"vectors/{vector}.safetensors") for vector in settings["vectors"]],
        "selection": in_seed(f"selections/{studies.selection_of(STUDY, wildcards.edit)}.json"),
    }
    if settings["transform"] != "raw":
        inputs |= projection_inputs(settings["projection"])
    return inputs


def projection_inputs(settings):
    """What the basis of a projection reads: SAEs, and which of their features it takes."""
    basis, sae = settings["basis"], settings.get("sae")
    if basis in ("random", "oracle"):
        return {}
    inputs = {"saes": [in_seed(f"saes/{sae}/layer_{layer}/manifest.json") for layer in LAYERS]}
    if basis in ("frequent", "random_features"):
        sums = f"specificity/{sae}/activations/layer_{{layer}}.safetensors"
        inputs["activations"] = [in_seed(sums.format(layer=layer)) for layer in LAYERS]
    else:
        inputs["features"] = in_seed(f"specificity/{sae}/{STUDY['study']['target']}.features.tsv")
    return inputs


def family_adapters(wildcards):
    """Every adapter of an edit: all its draws at all its alphas."""
    return [
        in_seed(f"edits/{edit}/alpha-{studies.alpha_name(alpha)}/manifest.json")
        for edit in EDITS[wildcards.family]
        for alpha in studies.alphas(STUDY, wildcards.family)
    ]


def unevaluated_edits():
    """Every edit of which only the energy is asked: all draws at all alphas, for each seed."""
    return [
        path
        for family in EDITS
        if family not in EVALUATED
        for edit in EDITS[family]
        for alpha in studies.alphas(STUDY, family)
        for path in for_each_seed(f"edits/{edit}/alpha-{studies.alpha_name(alpha)}/manifest.json")
    ]


def evaluations(split, families):
    """What some edits answered on a split, of all seeds."""
    return [
        path for family in families for path in for_each_seed(f"evaluations/{split}/{family}.json")
    ]


def choices(families):
    """The alphas that some edits chose on validation problems, of all seeds."""
    return [path for family in families for path in for_each_seed(f"alphas/{family}.json")]
