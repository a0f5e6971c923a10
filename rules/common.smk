"""The checked study, the values of wildcards, and functions that rules share."""

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


# The console shows only the count of steps of the scheduler's records: jobs print their progress.
logger.addFilter(
    lambda record: record.module != "job_scheduler"
    or record.levelno > logging.INFO
    or getattr(record, "event", None) == LogEvent.PROGRESS
)


def checked(config):
    """The study that the configuration describes; an invalid one ends the run with one line."""
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
# Of rules that run the model; large ones run on GPUs.
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
    """Digest of a rule's script and of the library modules it uses, so that content decides reruns."""
    return digest_of_code(LIBRARY / f"{rule}.py", LIBRARY / "stethoscope")


def requests(rule):
    """Memory, minutes and GPUs that a job requests from a scheduler; more with each attempt."""

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


def settings_of(section, wildcard):
    """Settings of the entry of a section that a wildcard names, such as one SAE."""
    return lambda wildcards: STUDY[section][getattr(wildcards, wildcard)]


def draws(wildcards):
    """Number of an edit's draws. As a priority it starts the longest jobs first."""
    return len(studies.edit_ids(STUDY, wildcards.spec))


def edit_inputs(wildcards):
    """Inputs of an edit: task vectors, a selection, a search, and those of its projection."""
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
    """Inputs of a projection's basis: SAEs, and tables that rank their features."""
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
    """Results of the specs whose answers an edit may reuse; ancient, since they change no result."""
    return lambda wildcards: [
        ancient(in_seed(f"{folder}/{spec}.json")) for spec in reusable_specs(STUDY, wildcards.spec)
    ]


def evaluations(split, specs):
    """Evaluations of some specs on a split, of all seeds."""
    return [path for spec in specs for path in for_each_seed(f"evaluations/{split}/{spec}.json")]


def choices(specs):
    """Alphas of some specs, chosen on validation problems, of all seeds."""
    return [path for spec in specs for path in for_each_seed(f"alphas/{spec}.json")]


def checkpoints():
    """Records of the edits that the study exports as checkpoints, of all seeds."""
    specs = studies.exported(STUDY)
    return [path for spec in specs for path in for_each_seed(f"checkpoints/{spec}.json")]


# Tables that the report's sentences and figures read.
READ = load.load_yaml(TEMPLATES / "sources.yaml")


def summary_tables(known):
    """Names of the report's sources that only `summarize_results` writes.

    known: tables that exist without it.
    """
    try:
        sources = [spec["source"] for spec in read_specs(TEMPLATES / "tables").values()]
    except ValueError as error:
        sys.exit(f"error: {error}")
    return sorted({*sources, *READ["sentences"], *READ["figures"]} - known)


def writers(sources):
    """Rule that writes each source of the report; none for committed input data."""
    rule_of = {str(path): rule.name for rule in workflow.rules for path in rule.output}
    return {name: rule_of.get(str(path)) for name, path in sources.items()}
