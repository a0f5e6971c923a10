"""The checked study, the names that wildcards may take, and getters that read like English."""

import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

# Relative, so that a moved checkout has the same inputs and reruns nothing.
ROOT = Path(os.path.relpath(workflow.current_basedir.join("..").get_path_or_uri(secret_free=True)))
LIBRARY = ROOT / "workflow/scripts"
sys.path.append(str(LIBRARY.resolve()))

from stethoscope.evaluation.reuse import reusable_specs
from stethoscope.planning import cost
from stethoscope.report.table import read_specs
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


# Of the scheduler's records only the count of steps is shown: jobs print their own progress.
logger.addFilter(
    lambda record: record.module != "job_scheduler"
    or record.levelno > logging.INFO
    or getattr(record, "event", None) == LogEvent.PROGRESS
)


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
EDITS = studies.edit_specs(STUDY)
EVALUATED = studies.evaluated(STUDY)


pathvars:
    results=RESULTS,
    seed=SEED,
    logs=f"logs/{STUDY['study']['name']}",
    benchmarks=f"{RESULTS}/benchmarks",


wildcard_constraints:
    seed=r"\d+",
    layer=r"\d+",
    again="|".join(studies.evaluated_again(STUDY)),
    sae="|".join(STUDY["saes"]),
    control="random|coordinates",
    vector="|".join(STUDY["vectors"]),
    subject="|".join(STUDY["subjects"]),
    selection="|".join(STUDY["selections"]),
    search="|".join(STUDY["searches"]),
    spec="|".join(EDITS),


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


def draws(wildcards):
    """Draws of an edit: a priority, since those with many take longest and would be left to the end."""
    return len(studies.edit_ids(STUDY, wildcards.spec))


def edit_inputs(wildcards):
    """What an edit is made from: task vectors, selections, and what a projection reads."""
    spec = studies.edit_spec(STUDY, wildcards.spec)
    inputs = {}
    if spec.vectors:
        inputs["vectors"] = [in_seed(f"vectors/{vector}.safetensors") for vector in spec.vectors]
        inputs["selection"] = in_seed(f"selections/{spec.selection}.json")
    if spec.search:
        inputs["search"] = in_seed(f"searches/{spec.search}/best.json")
    if spec.projection:
        inputs |= projection_inputs(spec.projection)
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
    """Results of the specs whose answers an edit may reuse. They save it work and cannot change it: ancient."""
    return lambda wildcards: [
        ancient(in_seed(f"{folder}/{spec}.json")) for spec in reusable_specs(STUDY, wildcards.spec)
    ]


def evaluations(split, specs):
    """What the edits of some specs answered on a split, of all seeds."""
    return [path for spec in specs for path in for_each_seed(f"evaluations/{split}/{spec}.json")]


def choices(specs):
    """The alphas that the edits of some specs chose on validation problems, of all seeds."""
    return [path for spec in specs for path in for_each_seed(f"alphas/{spec}.json")]


def checkpoints():
    """The edits that the study wants as checkpoints too, of all seeds."""
    specs = studies.exported(STUDY)
    return [path for spec in specs for path in for_each_seed(f"checkpoints/{spec}.json")]


READ = load.load_yaml(TEMPLATES / "sources.yaml")  # by the report's sentences and figures


def printed(known):
    """Names of the tables that only the report needs: sources of its tables, sentences and figures.

    known: tables that other rules write.
    """
    try:
        named = [spec["source"] for spec in read_specs(TEMPLATES / "tables").values()]
    except ValueError as error:
        sys.exit(f"error: {error}")
    return sorted({*named, *READ["sentences"], *READ["figures"]} - known)


def writers(sources):
    """Rule that wrote each source of the report; none for committed input data."""
    wrote = {str(path): rule.name for rule in workflow.rules for path in rule.output}
    return {name: wrote.get(str(path)) for name, path in sources.items()}
