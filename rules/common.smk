"""The checked study, the names that wildcards may take, and getters that read like English."""

import os
import sys
from pathlib import Path

# Relative, so that a moved checkout has the same inputs and reruns nothing.
ROOT = Path(os.path.relpath(workflow.current_basedir.join("..").get_path_or_uri(secret_free=True)))
LIBRARY = ROOT / "workflow/scripts"
sys.path.append(str(LIBRARY.resolve()))

from stethoscope.planning import cost
from stethoscope.study import load
from stethoscope.study import queries as studies
from stethoscope.runtime.code_digest import code_digest as digest_of_code

# Only rules that fetch reach a model hub, and no library draws progress bars of its own.
for variable, value in {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "WANDB_MODE": "disabled",
}.items():
    os.environ.setdefault(variable, value)


def checked(config):
    """The study that the configuration describes; one line and an end where it is wrong."""
    source = " + ".join(str(path) for path in workflow.configfiles)
    try:
        for path in workflow.configfiles:
            load.load_yaml(path)
        return load.check(config, source)
    except ValueError as error:
        sys.exit(f"error: {error}")


STUDY = checked(config)
config.clear()
config.update(STUDY)

RESULTS = f"results/{STUDY['study']['name']}"
SEED = f"{RESULTS}/seed-{{seed}}"
LAYERS = range(studies.layer_count(STUDY))
NOTHING = "(?!)"
FETCHED = "|".join(studies.fetched_saes(STUDY)) or NOTHING
TRAINED = "|".join(sae for sae in STUDY["saes"] if sae not in FETCHED.split("|")) or NOTHING
# Of rules that run the model; on GPUs from a size on.
ENVIRONMENT = f"../envs/{'gpu' if cost.on_gpu(STUDY) else 'cpu'}.yaml"
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
    again="|".join(studies.answered_again(STUDY)),
    sae="|".join(STUDY["saes"]),
    control="random|coordinates",
    vector="|".join(STUDY["vectors"]),
    subject="|".join(STUDY["subjects"]),
    selection="|".join(STUDY["selections"]),
    search="|".join(STUDY["searches"]),
    family="|".join(EDITS),


def code_digest(rule):
    """Digest of a rule's script and of the library modules it uses: content decides what reruns."""
    return digest_of_code(LIBRARY / f"{rule}.py", LIBRARY / "stethoscope")


def asks(rule):
    """What a job asks a scheduler for, memory, minutes and GPUs; each attempt asks more."""

    def of(key):
        return lambda wildcards, attempt: cost.requests(
            STUDY, rule, dict(wildcards.items()), attempt
        )[key]

    return {key: of(key) for key in ("mem_mb", "runtime", "gpu")}


def in_seed(path):
    """Path of a result in the folder of the job's own seed."""
    return f"{SEED}/{path}"


def for_each_seed(path):
    """Paths of one result in each seed's folder."""
    return [in_seed(path).replace("{seed}", str(seed)) for seed in STUDY["seeds"]]


def of_subject(section, key):
    """Settings of the thing that a rule's wildcard names, such as those of one SAE."""
    return lambda wildcards: STUDY[section][getattr(wildcards, key)]


def edit_recipes(wildcards):
    """What each draw of an edit is made of; the base is the empty edit."""
    recipes = {}
    for drawn in studies.edit_ids(STUDY, wildcards.family):
        edit, draw = studies.edit_name(drawn), drawn.draw or 1
        recipe = studies.recipe(STUDY, wildcards.family)
        if wildcards.family != studies.BASE:
            recipe["selection"] = studies.selection_name(studies.selection_of(STUDY, drawn))
        if how := studies.SETTINGS_OF.get(recipe["transform"]):
            drawn = {"draw": draw} if "seed" in recipe[how] else {}
            recipe[how] = {k: v for k, v in recipe[how].items() if k != "draws"} | drawn
        if "search" in recipe:
            recipe["draw"] = draw
        recipes[edit] = recipe
    return recipes


def draws(wildcards):
    """Draws of an edit: a priority, since those with many take longest and would be left to the end."""
    return len(EDITS[wildcards.family])


def edit_inputs(wildcards):
    """What an edit is made from: task vectors, selections, and what a projection reads."""
    if wildcards.family == studies.BASE:
        return {}
    recipe = studies.recipe(STUDY, wildcards.family)
    inputs = {
        "vectors": [in_seed(f"vectors/{vector}.safetensors") for vector in recipe["vectors"]],
        "selection": in_seed(f"selections/{recipe['selection']}.json"),
    }
    if "search" in recipe:
        inputs["search"] = in_seed(f"searches/{recipe['search']}/best.json")
    if "projection" in recipe:
        inputs |= projection_inputs(recipe["projection"])
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


def of_equal_edits(folder):
    """Results on the edits that may be an edit's equals. They save it work and cannot change it: ancient."""
    return lambda wildcards: [
        ancient(in_seed(f"{folder}/{family}.json"))
        for family in studies.answered_before(STUDY, wildcards.family)
    ]


def evaluations(split, families):
    """What some edits answered on a split, of all seeds."""
    return [
        path for family in families for path in for_each_seed(f"evaluations/{split}/{family}.json")
    ]


def choices(families):
    """The alphas that some edits chose on validation problems, of all seeds."""
    return [path for family in families for path in for_each_seed(f"alphas/{family}.json")]


def checkpoints():
    """The edits that the study wants as checkpoints too, of all seeds."""
    families = studies.exported(STUDY)
    return [path for family in families for path in for_each_seed(f"checkpoints/{family}.json")]
