"""The study: one model of its sections, with a description and, where sensible, a default a key.

config/schemas/study.schema.json and the tables of config/README.md are made from it by
`make schema`. What trains and searches is in training.py, what selects
layers in selections.py, what edits in edits.py.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stethoscope.study.edits import Edit
from stethoscope.study.fields import (
    Between,
    Commit,
    Count,
    Distinct,
    Dtype,
    Name,
    Positive,
    Repository,
    Section,
    Seed,
    Sha256,
    Some,
    Subject,
    Text,
    optional,
)
from stethoscope.study.selections import Selection
from stethoscope.study.training import Lora, Pretraining, SaeTraining, Search

Layers = Annotated[int, Field(ge=1, le=128)]
Width = Annotated[int, Field(ge=8)]


class About(Section):
    """what this study is"""

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$")] = Field(
        description="folder of its results; letters, digits, dash"
    )
    title: Annotated[str, Field(max_length=120)] = Field(description="one line for the report")
    target: str = Field(description="the subject that the task vector is trained for")


class Source(Section):
    """A folder or a repository of the hub."""

    any_of: ClassVar = ("path", "hub")
    needs: ClassVar = {"hub": ("revision",)}

    path: Text = optional("a folder on this machine that holds the files; used before hub")
    hub: Repository = optional("repository on the Hugging Face hub")
    revision: Commit = optional("commit of the hub's repository, 40 hex digits; a branch may move")


class PretrainedModel(Source):
    """a pretrained model, from a folder or from the hub"""

    layers: Layers = Field(description="its decoder layers, so that a plan needs no file of it")
    hidden: Width = Field(description="width of its residual stream")
    files: dict[str, Sha256] = Field(
        {}, description="sha256 of its files, by their path below the repository's or folder's root"
    )
    license: str = optional("where its licence is and is accepted")


class Architecture(Section):
    """shape of the model, in Gemma 3's terms"""

    layers: Layers = Field(description="decoder layers")
    hidden: Width = Field(description="width of the residual stream")
    intermediate: Width = Field(description="width of the MLP")
    heads: Count = Field(description="query heads")
    kv_heads: Count = Field(description="key and value heads")
    head_dim: Annotated[int, Field(ge=4)] = Field(description="width of a head")
    sliding_window: Width = Field(
        256, description="tokens that a local layer sees; every sixth layer is global"
    )
    max_positions: Annotated[int, Field(ge=32)] = Field(
        512, description="longest sequence in tokens"
    )


class NewModel(Section):
    """a small Gemma-3-architecture model, pretrained from scratch"""

    vocabulary: Annotated[int, Field(ge=120)] = Field(
        description="size of the BPE vocabulary, special tokens included"
    )
    architecture: Architecture
    training: Pretraining = Pretraining()


class Model(Section):
    """the base model; docs/fetching.md"""

    exactly_one: ClassVar = ("grow", "load")

    grow: NewModel = optional("pretrain a small Gemma-3-architecture model from scratch")
    load: PretrainedModel = optional("take a pretrained model, from a folder or from the hub")


class Sizes(Section):
    """problems of each subject, and exceptions by subject"""

    each: Count = Field(description="problems of each subject")
    # `except` is a word of Python
    except_: dict[Subject, Count] = Field(
        {}, alias="except", description="other numbers by subject"
    )


class Splits(Section):
    """number of problems of each split"""

    pretrain: Sizes
    train: Sizes
    validation: Sizes
    test: Sizes
    probe: Sizes


class SyntheticProblems(Section):
    """a synthetic corpus in MATH's record layout"""

    seed: Seed = Field(description="of the corpus (all model seeds share it)")
    families: Literal["all", "easy"] = Field(
        "all", description="all problem families, or only the easy ones"
    )
    splits: Splits


class MathProblems(Source):
    """MATH: its test set is the test split, the other splits are drawn from its training set"""

    path: Text = optional(
        "a folder with train and test as JSON Lines, Parquet or a tree of JSON files; used "
        "before hub"
    )
    sha256: Sha256 = Field(
        description="of all problems, in any file format; the error about a wrong one has the right"
    )
    seed: Seed = Field(1, description="of the draw from the training set")
    validation: Sizes
    probe: Sizes


class Data(Section):
    """where the problems come from; docs/fetching.md"""

    exactly_one: ClassVar = ("generate", "math")

    generate: SyntheticProblems = optional("a synthetic corpus in MATH's record layout")
    math: MathProblems = optional("MATH's own problems")


class PublishedSaes(Source):
    """published SAEs, from a folder or from the hub"""

    folder: Annotated[str, Field(pattern=r"\{layer\}")] = Field(
        description="folder of one layer's SAE in the release, such as "
        "resid_post_all/layer_{layer}_width_16k_l0_small"
    )
    format: Literal["gemma_scope_2", "llama_scope", "sae_lens"] = Field(
        description="whose files these are"
    )
    files: dict[str, Sha256] = Field(
        {}, description="sha256 of its files, by their path below the repository's or folder's root"
    )


class Saes(Section):
    """sparse autoencoders of all layers, trained here or published"""

    exactly_one: ClassVar = ("train", "load")
    needs: ClassVar = {"train": ("features", "k"), "features": ("train",), "k": ("train",)}

    load: PublishedSaes = optional("take published SAEs, from a folder or from the hub")
    features: Annotated[int, Field(ge=2)] = optional("dictionary width d_sae")
    k: Count = optional("features that may fire on a token")
    train: SaeTraining = optional("train SAEs with sae-lens (BatchTopK)")


class Vector(Section):
    """a task vector: its training problems and its LoRA"""

    problems: dict[Subject, Count] = Field(description="training problems by subject", min_length=1)
    lora: Lora = Lora()


class Robustness(Section):
    """SP examined with nulls, resampled problems and other choices; changes no selection"""

    resamples: Annotated[int, Field(ge=20)] = Field(
        1000, description="permutations of the labels and bootstraps of the problems"
    )
    splits: Count = Field(100, description="random halves for the cross-fitted SP")
    seed: Seed = Field(1, description="of resamples and splits")
    at_least: Positive = Field(
        4.0, description="threshold that the null is compared with (the paper's is 4.0)"
    )
    epsilons: Some[Positive] = Field(
        [1.0e-6, 0.001, 0.01, 0.1, 1.0, 10.0],
        description="values of epsilon that SP is recomputed with, in each unit",
    )


class Controls(Section):
    """untrained encoders, scored as <sae>-<control>; a selection may name them as its sae"""

    encoders: Distinct[Literal["random", "coordinates"]] = Field(
        [],
        description="random is a random-init SAE of the same norms and firing rates, coordinates "
        "are those of the residual stream",
    )
    saes: Some[str] = optional("the SAEs that have these controls; all unless given")
    seed: Seed = Field(1, description="of the random encoders")


class SpecificityScore(Section):
    """the specificity score SP, eqs. (1) and (2); docs/specificity.md"""

    epsilon: Positive = Field(description="epsilon of eq. (1) in the unit chosen below")
    unit: Literal["mean_active", "raw"] = Field(
        description="unit of activations: the layer's mean active value, or as they come"
    )
    dtype: Dtype = Field(
        "float32", description="what the model computes residuals in; SAEs compute in float32"
    )
    threshold: Positive = Field(
        description="a feature counts as domain-specific above it (tau of section 3)"
    )
    smoothing_quantile: Between = Field(
        description="the smoothed variant adds this quantile of the features' means to both sides "
        "of the ratio"
    )
    stability: Robustness = Robustness()
    controls: Controls = Controls()


BatchSize = Annotated[Count, Field(description="fixed, since it can change greedy answers")]
MaxTokens = Annotated[Count, Field(description="cap on generated tokens")]
Tasks = Annotated[
    Literal["local", "minerva_math"],
    Field(
        description="local is minerva_math's prompt without examples, minerva_math lm-eval's "
        "packaged tasks; both over the study's own problems"
    ),
]
Examples = Annotated[int, Field(ge=0, le=4, description="of minerva_math's four examples")]
ChatTemplate = Annotated[
    bool,
    Field(description="whether prompts are chats in the model's own form, each example a turn"),
]


class Protocol(Section):
    """other settings of an evaluation on the test problems; those absent are the evaluation's"""

    edits: Some[str] = Field(
        description="evaluated edits by their configured names, 'base' among them"
    )
    batch_size: BatchSize = None
    max_gen_toks: MaxTokens = None
    tasks: Tasks = None
    num_fewshot: Examples = None
    chat_template: ChatTemplate = None


class NoiseFloor(Section):
    """a second evaluation of some edits on the test problems, with another batch size"""

    batch_size: Count = Field(description="another one than that of the study")
    edits: Some[str] = Field(
        description="evaluated edits by their configured names; 'base' is the unedited model"
    )


class Evaluation(Section):
    """lm-eval on the problems of a split; docs/evaluation.md"""

    choose_alpha_on: Some[Subject] = Field(
        description="subjects whose validation accuracy, pooled, chooses alpha"
    )
    batch_size: BatchSize
    max_gen_toks: MaxTokens
    tasks: Tasks = "local"
    num_fewshot: Examples = 0
    chat_template: ChatTemplate = False
    backend: Literal["hf", "vllm"] = Field(
        "hf",
        description="what generates; vllm needs its own installation and takes only low-rank edits",
    )
    dtype: Dtype = Field(
        "float32",
        description="what the model computes in; beside bfloat16 weights an edit stays in float32",
    )
    reuse_answers_from: Distinct[str] = Field(
        [],
        description="edits that are evaluated first and whose answers an edit that turns out "
        "to be the same reuses: of few layers many selectors pick the same",
    )
    protocols: dict[Name, Protocol] = Field(
        {},
        description="other ways to evaluate some edits on the test problems, at the chosen alpha",
    )
    noise_floor: NoiseFloor = optional(
        "evaluate some edits on the test problems once more, with another batch size"
    )


class SignFlip(Section):
    """the test that corrects the gain of every edit for all edits evaluated"""

    flips: Count = Field(10000, description="random sign flips; p cannot be below 1 / (flips + 1)")
    seed: Seed = Field(1, description="of the flips")


class Bootstrap(Section):
    """resamples of the test problems"""

    draws: Count = Field(10000, description="number of resamples")
    seed: Seed = Field(1, description="of the resamples")


class Statistics(Section):
    """paired comparisons on the same test problems; docs/statistics.md"""

    references: Some[str] = Field(
        description="edits that every edit is compared with; 'base' is the unedited model"
    )
    margin: Between = Field(
        0.05,
        description="a loss of less than this share of a subject's problems is no degradation",
    )
    sign_flip: SignFlip = SignFlip()
    bootstrap: Bootstrap = Bootstrap()


class Report(Section):
    """what the report shows"""

    notes: list[str] = optional("sentences shown under the title")


class Study(Section):
    """everything that can change a number"""

    study: About
    seeds: Some[Annotated[int, Field(ge=0, le=1_000_000)]] = Field(
        description="one whole run, from the base model on, for each seed"
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu", description="where models run; cuda is the first GPU that the job sees"
    )
    model: Model
    data: Data
    subjects: Annotated[Some[Subject], Field(min_length=2)] = Field(
        description="the subjects compared, in the order of the tables: those of MATH, or of the "
        "domain of config/law.yaml"
    )
    saes: dict[Name, Saes] = Field(
        description="sparse autoencoders on the residual stream after each block, by name",
        min_length=1,
    )
    vectors: dict[Name, Vector] = Field(
        description="task vectors by name (v2 is the paper's main one)", min_length=1
    )
    specificity: SpecificityScore
    selections: dict[Name, Selection] = Field(
        description="sets of layers by name; docs/selectors.md", min_length=1
    )
    searches: dict[Name, Search] = Field(
        {}, description="searches for one alpha a layer with CMA-ES, by name; docs/search.md"
    )
    edits: dict[Name, Edit] = Field(
        description="what is added to the base model, by name", min_length=1
    )
    evaluation: Evaluation
    statistics: Statistics
    report: Report = optional("what the report shows")
