"""Cost of a study, from the study alone: time, memory, disk and download of each job.

`plan` adds the costs up before any job runs, and each rule requests them from a scheduler, with
headroom (`requests`). docs/cost.md explains the constants. Pure Python, since each parse of the
workflow imports it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from stethoscope.edits.spec import MERGING_NEEDS
from stethoscope.study import queries as studies

MB, GB = 10**6, 10**9
# A job that runs a model of at least so many parameters requests a GPU.
GPU_FROM = 10_000_000
# A request is the estimate with this headroom, at least so long, and grows with each attempt.
HEADROOM, SHORTEST_MINUTES = 3, 10
# MATH's own sizes, and tokens of a record; measured on the embedded corpus, assumed for MATH.
MATH_TRAIN, MATH_TEST, MATH_BYTES = 7500, 5000, 20 * MB
# Tokens of an answer where nothing cuts it earlier.
FREE_ANSWER = 500
# Gemma-3's and Llama-3's layers have about so many weights by hidden^2, their vocabularies so many
# entries, and a LoRA on all seven modules so many weights by rank * hidden a layer.
LAYER_WEIGHTS, VOCABULARY, LORA_WEIGHTS = 14, 262_144, 21.4
# Distinct SAE features that fire on a problem, by its tokens; each takes three numbers.
FEATURES_A_TOKEN = 14


@dataclass(frozen=True)
class Machine:
    """Speed of a machine. Rates in FLOP/s, times in seconds.

    train, forward: of the base model. sae: of SAE training (fp32). layer: time of a layer in a
    step beyond its arithmetic (launching kernels). start: until a job's libraries are loaded.
    load: bytes a second at which weights are read.
    """

    train: float
    forward: float
    sae: float
    layer: float
    start: float
    load: float


# One core, measured on the study `full`: see docs/cost.md.
CPU = Machine(train=8e10, forward=3e10, sae=2.3e10, layer=0, start=5, load=1 * GB)
# One H100, assumed: a quarter of its bf16 peak, fp32 SAEs, 1 ms a layer in Python.
GPU = Machine(train=2.5e14, forward=2.5e14, sae=3e13, layer=1e-3, start=40, load=1 * GB)
LIGHT_SECONDS = 2.0  # a job that reads and writes tables, measured
DOWNLOAD_RATE = 100 * MB  # bytes a second, assumed
# Memory of a job: its libraries, and what training or sums hold beside the model.
LIBRARIES, WORKING = 1 * GB, 2 * GB


@dataclass(frozen=True)
class Cost:
    """Cost of one job or of several: cpu, gpu and wait in seconds, disk and download in bytes.

    wait is time on the network. memory: bytes, the most that any of the jobs holds.
    """

    cpu: float = 0.0
    gpu: float = 0.0
    wait: float = 0.0
    disk: float = 0.0
    download: float = 0.0
    memory: float = LIBRARIES

    def __add__(self, other: Cost) -> Cost:
        summed = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Cost)}
        return Cost(**{**summed, "memory": max(self.memory, other.memory)})

    def times(self, factor: float) -> Cost:
        """So many jobs like these; they hold no more memory."""
        scaled = {field.name: getattr(self, field.name) * factor for field in fields(Cost)}
        return Cost(**{**scaled, "memory": self.memory})

    @property
    def seconds(self) -> float:
        """Wall time of a job of one thread."""
        return max(self.cpu, self.gpu) + self.wait


@dataclass(frozen=True)
class Sizes:
    """Sizes that determine the cost of a study.

    parameters: of the base model. weight: bytes of one. prompt, answer: tokens of a problem and of
    its solution. generated: tokens of an answer to it. problems: number in each split.
    """

    loaded: bool
    layers: int
    hidden: int
    parameters: int
    weight: int
    prompt: int
    answer: int
    generated: int
    problems: Mapping[str, Mapping[str, float]]

    @property
    def tokens(self) -> int:
        """Tokens of a problem with its solution."""
        return self.prompt + self.answer

    @property
    def checkpoint(self) -> int:
        """Bytes of the base model on disk."""
        return self.parameters * self.weight

    def count(self, split: str, subjects: list[str] | None = None) -> float:
        """Problems of a split, of all subjects or of some."""
        sizes = self.problems[split]
        return sum(sizes.values()) if subjects is None else sum(sizes[s] for s in subjects)


def sizes(study: Mapping) -> Sizes:
    """Sizes of a study, read from it or, for a loaded model, estimated."""
    if "grow" in study["model"]:
        settings = study["model"]["grow"]
        shape = settings["architecture"]
        layers, hidden = shape["layers"], shape["hidden"]
        attention = 2 * hidden * shape["head_dim"] * (shape["heads"] + shape["kv_heads"])
        layer = attention + 3 * hidden * shape["intermediate"]
        parameters, weight = layers * layer + settings["vocabulary"] * hidden, 4
    else:
        shape = study["model"]["load"]
        layers, hidden = shape["layers"], shape["hidden"]
        parameters = LAYER_WEIGHTS * layers * hidden**2 + VOCABULARY * hidden
        weight = 2
    generated = "generate" in study["data"]
    prompt, answer = (23, 27) if generated else (100, 200)
    cap = study["evaluation"].get("max_gen_toks", FREE_ANSWER)
    return Sizes(
        loaded="grow" not in study["model"],
        layers=layers,
        hidden=hidden,
        parameters=parameters,
        weight=weight,
        prompt=prompt,
        answer=answer,
        generated=min(cap, answer if generated else FREE_ANSWER),
        problems=_problems(study),
    )


def _problems(study: Mapping) -> dict[str, dict[str, float]]:
    """Problems by split and subject; MATH's subjects are taken as equally large."""
    subjects = study["subjects"]
    if "generate" in study["data"]:
        splits = study["data"]["generate"]["splits"]
        return {
            split: {s: wanted.get("except", {}).get(s, wanted["each"]) for s in subjects}
            for split, wanted in splits.items()
        }
    (settings,) = study["data"].values()
    each = {"train": MATH_TRAIN / 7, "test": MATH_TEST / 7}
    each |= {split: settings.get(split, {}).get("each", 100) for split in ("validation", "probe")}
    return {split: dict.fromkeys(subjects, size) for split, size in each.items()}


def estimate(study: Mapping, rule: str, names: Mapping[str, str] | None = None) -> Cost:
    """Cost of one job of a rule; names are its wildcards. Rules without an estimate are light."""
    if rule.startswith("fetch_"):
        return _fetched(study, rule, names or {})
    return _ESTIMATES[rule](study, names or {}) if rule in _ESTIMATES else Cost(cpu=LIGHT_SECONDS)


def requests(
    study: Mapping, rule: str, names: Mapping[str, str], attempt: int = 1
) -> dict[str, int]:
    """A job's requests to a scheduler: mem_mb, runtime in minutes, gpu; more with each attempt."""
    cost = estimate(study, rule, names)
    minutes = SHORTEST_MINUTES + HEADROOM * cost.seconds / 60
    return {
        "mem_mb": math.ceil(cost.memory / MB / 500) * 500 * attempt,
        "runtime": math.ceil(minutes) * attempt,
        "gpu": int(cost.gpu > 0),
    }


def on_gpu(study: Mapping) -> bool:
    """Whether jobs that run the study's model request a GPU."""
    return sizes(study).parameters >= GPU_FROM


def jobs(study: Mapping) -> dict[str, list[dict[str, str]]]:
    """The jobs of one seed whose cost differs, as wildcards by rule."""
    noise = study["evaluation"].get("noise_floor", {"edits": []})["edits"]
    evaluated = studies.evaluated(study)
    vectors = dict.fromkeys(v for edit in study["edits"].values() for v in edit["vectors"])
    return {
        "train_saes": [{"sae": sae} for sae in study["saes"] if _trained(study, sae)],
        "fetch_sae": [
            {"sae": sae, "layer": str(layer)}
            for sae in study["saes"]
            if not _trained(study, sae)
            for layer in range(studies.layer_count(study))
        ],
        "measure_saes": [{"sae": sae} for sae in study["saes"] if not _trained(study, sae)],
        "sum_activations": [{"sae": sae} for sae in study["saes"]],
        "sum_control_activations": [
            {"sae": sae, "control": control} for sae, control in studies.control_encoders(study)
        ],
        "train_adapter": [{"vector": vector} for vector in vectors],
        "search_alphas": [{"search": name} for name in study["searches"]],
        "build_edits": [{"spec": spec} for spec in studies.edit_specs(study)],
        "evaluate_edits": [{"spec": spec} for spec in evaluated],
        "evaluate_again": [
            *({"again": "sweep", "spec": spec} for spec in studies.swept(study)),
            *({"again": "noise", "spec": spec} for spec in noise),
            *(
                {"again": name, "spec": spec}
                for name, protocol in study["evaluation"].get("protocols", {}).items()
                for spec in protocol["edits"]
            ),
        ],
    }


def _model_job(
    study: Mapping,
    *,
    forward: float = 0,
    train: float = 0,
    sae: float = 0,
    steps: float = 0,
    disk: float = 0.0,
    copies: float = 2,
    more: float = WORKING,
) -> Cost:
    """A job that runs the model.

    forward, train, sae: work in FLOP. steps: passes through all layers. Its memory holds its
    libraries, `copies` of the weights, and `more` bytes.
    """
    size = sizes(study)
    machine = GPU if on_gpu(study) else CPU
    seconds = machine.start + size.checkpoint / machine.load
    seconds += forward / machine.forward + train / machine.train + sae / machine.sae
    seconds += steps * size.layers * machine.layer
    memory = LIBRARIES + copies * size.checkpoint + more
    gpu = seconds if machine is GPU else 0.0
    return Cost(cpu=seconds, gpu=gpu, disk=disk, memory=memory)


def _trained(study: Mapping, sae: str) -> bool:
    return "train" in study["saes"][sae]


def _features(study: Mapping, sae: str) -> int:
    """Width of an SAE; of a loaded one the width that its folder's name gives (16k, 8x, 262k)."""
    settings = study["saes"][sae]
    if "features" in settings:
        return settings["features"]
    words = settings["load"].get("folder", "").replace("-", "_").replace("/", "_").split("_")
    for word in words:
        if word[:-1].isdigit() and word[-1] in "kKmM":  # powers of two: 262k is 262,144
            rounded = int(word[:-1]) * (10**3 if word[-1] in "kK" else 10**6)
            return 2 ** round(math.log2(rounded))
        if word.lower().endswith("x") and word.lower().strip("lrmax").isdigit():
            return int(word.lower().strip("lrmax")) * sizes(study).hidden
    return 16384


def _sae_bytes(study: Mapping, sae: str) -> int:
    """Encoder and decoder of all layers, fp32."""
    size = sizes(study)
    return size.layers * 2 * 4 * size.hidden * _features(study, sae)


def _lora_weights(study: Mapping, vector: str) -> float:
    size, rank = sizes(study), study["vectors"][vector]["lora"]["rank"]
    return LORA_WEIGHTS * rank * size.hidden * size.layers


def _edits(study: Mapping, spec: str) -> tuple[int, int]:
    """Numbers of edits and of alphas of an edit spec."""
    return len(studies.edit_ids(study, spec)), len(studies.alphas(study, spec))


def _fetched(study: Mapping, rule: str, names: Mapping) -> Cost:
    size = sizes(study)
    volume: float = MATH_BYTES
    if "model" in rule:
        volume = size.checkpoint
    elif "sae" in rule:
        saes = [names["sae"]] if "sae" in names else list(study["saes"])
        volume = sum(_sae_bytes(study, sae) for sae in saes)
        if "layer" in names:
            volume /= studies.layer_count(study)
    wait = volume / DOWNLOAD_RATE
    return Cost(cpu=LIGHT_SECONDS, wait=wait, disk=volume, download=volume)


def _pretrain(study: Mapping, names: Mapping) -> Cost:
    size, training = sizes(study), study["model"]["grow"]["training"]
    problems = size.count("pretrain") * training["epochs"]
    return _model_job(
        study,
        train=6 * size.parameters * problems * size.tokens,
        steps=3 * problems / training["batch_size"],
        disk=size.checkpoint,
        copies=6,
    )


def _train_saes(study: Mapping, names: Mapping) -> Cost:
    size, sae = sizes(study), study["saes"][names["sae"]]
    training = sae["train"]
    tokens = size.tokens * (len(study["subjects"]) * training["problems"] + size.count("probe"))
    residuals = 4.0 * tokens * size.hidden  # of one layer
    return _model_job(
        study,
        forward=2 * size.parameters * tokens,
        sae=6 * 2 * size.hidden * sae["features"] * training["samples"] * size.layers,
        steps=3 * training["samples"] / training["batch_size"],
        disk=_sae_bytes(study, names["sae"]),
        copies=1,
        more=WORKING + 2 * residuals,
    )


def _train_adapter(study: Mapping, names: Mapping) -> Cost:
    size, vector = sizes(study), study["vectors"][names["vector"]]
    problems = sum(vector["problems"].values()) * vector["lora"]["epochs"]
    return _model_job(
        study,
        train=6 * size.parameters * problems * size.tokens,
        steps=3 * problems / vector["lora"]["batch_size"],
        disk=2 * 4 * _lora_weights(study, names["vector"]),  # the adapter and its task vector
    )


def _sum_activations(study: Mapping, names: Mapping) -> Cost:
    size, problems = sizes(study), sizes(study).count("probe")
    features = _features(study, names["sae"])
    if names.get("control") == "coordinates":
        features = size.hidden
    encode = 2 * size.hidden * features * size.layers
    firing = min(features, FEATURES_A_TOKEN * size.tokens)
    return _model_job(
        study,
        forward=(2 * size.parameters + encode) * problems * size.tokens,
        steps=problems / 8,
        disk=3 * 4 * firing * problems * size.layers,
        more=WORKING + _sae_bytes(study, names["sae"]) / 2,
    )


def _passes(study: Mapping, problems: float) -> Cost:
    """Forward passes over problems with their solutions."""
    size = sizes(study)
    forward = 2 * size.parameters * problems * size.tokens
    return _model_job(study, forward=forward, steps=problems / 8)


def _measure_gains(study: Mapping, names: Mapping) -> Cost:
    """Each layer added alone and left out, and one pass with gradients."""
    size = sizes(study)
    problems = size.count("probe", [names.get("subject", study["study"]["target"])])
    return _passes(study, problems * (2 * size.layers + 4))


def _search(study: Mapping, names: Mapping) -> Cost:
    search = study["searches"][names["search"]]
    return _passes(study, search["evaluations"] * search["problems"])


def _build(study: Mapping, names: Mapping) -> Cost:
    """Adapters at each alpha, in half of the layers where a selection picks some of them."""
    size, spec = sizes(study), names["spec"]
    if spec == studies.BASE:
        return Cost(cpu=LIGHT_SECONDS)
    edit, (draws, alphas) = study["edits"][spec], _edits(study, spec)
    dense = edit["transform"] in MERGING_NEEDS
    weights = sum(_lora_weights(study, vector) for vector in edit["vectors"])
    share = 1.0 if study["selections"][edit["selection"]]["by"] == "all" else 0.5
    each = 4 * share * (size.parameters if dense else weights)
    # The energy that lands is computed from the weights of the edited layers, in fp32.
    seconds = CPU.start + draws * alphas * size.checkpoint * share / (GB / 4)
    return Cost(
        cpu=seconds,
        disk=draws * alphas * each,
        memory=LIBRARIES + size.checkpoint + (WORKING if size.loaded else 0),
    )


def _answers(study: Mapping, answers: float, batch_size: int) -> Cost:
    """Greedy answers with the transformers backend: a prompt at once, then token by token."""
    size = sizes(study)
    tokens = size.prompt + size.generated
    return _model_job(
        study,
        forward=2 * size.parameters * tokens * answers,
        steps=math.ceil(answers / batch_size) * size.generated,
        disk=answers * (150 + 5 * size.generated),
        more=WORKING if size.loaded else 0,
    )


def _evaluate(study: Mapping, names: Mapping) -> Cost:
    size, spec = sizes(study), names["spec"]
    draws, alphas = _edits(study, spec)
    validation = size.count("validation", studies.choosing_subjects(study, spec))
    answers = draws * (alphas * validation + size.count("test"))
    return _answers(study, answers, studies.generation(study)["batch_size"])


def _evaluate_again(study: Mapping, names: Mapping) -> Cost:
    size, noise = sizes(study), names["again"] == "noise"
    draws, alphas = _edits(study, names["spec"])
    answers = size.count("test") * draws * (1 if noise else alphas)
    batch_size = studies.generation(study, names["again"])["batch_size"]
    return _answers(study, answers, batch_size)


_ESTIMATES: dict[str, Callable[[Mapping, Mapping], Cost]] = {
    "pretrain_model": _pretrain,
    "train_saes": _train_saes,
    "train_adapter": _train_adapter,
    "sum_activations": _sum_activations,
    "measure_saes": _sum_activations,  # less than a scan: some 32 texts
    "sum_control_activations": _sum_activations,
    "measure_gains": _measure_gains,
    "search_alphas": _search,
    "build_edits": _build,
    "evaluate_edits": _evaluate,
    "evaluate_again": _evaluate_again,
}
