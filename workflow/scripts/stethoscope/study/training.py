"""Settings of training and of searches for alphas, with all defaults.

Dataclasses of models/pretrain.py, models/lora.py, saes/train.py and selection/cma_search.py have no
defaults; a test compares their fields with these.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stethoscope.study.fields import (
    Alpha,
    BelowOne,
    Count,
    Dtype,
    NotNegative,
    Number,
    Positive,
    Section,
    Seed,
    Share,
    Subject,
)

Precision = Literal["bf16", "fp32"]
_WARMUP = Field(0.03, description="share of all steps over which the learning rate rises from 0")
_PRECISION = Field(
    "bf16",
    description="of matrix products; bf16 is fp32 on a CPU without instructions for it",
)
_PROMPT_WEIGHT = "weight of a prompt token in the loss; a solution token weighs 1"
_DECAY = "share of all steps over which the learning rate falls to 0"


class Pretraining(Section):
    """how a base model is trained from nothing"""

    epochs: Count = Field(1, description="passes over the problems")
    batch_size: Count = Field(48, description="problems a step")
    matrix_lr: Positive = Field(0.02, description="Muon's learning rate, for the layers' matrices")
    vector_lr: Positive = Field(3e-3, description="AdamW's learning rate, for embeddings and norms")
    weight_decay: NotNegative = Field(0.01, description="of the matrices")
    warmup: Share = _WARMUP
    decay: Share = Field(0.5, description=_DECAY)
    prompt_weight: NotNegative = Field(0.1, description=_PROMPT_WEIGHT)
    precision: Precision = _PRECISION


class Lora(Section):
    """how an adapter is trained"""

    rank: Count = Field(16, description="r of the LoRA (the paper's is 16)")
    alpha: Count = Field(32, description="lora_alpha (the paper's is 32); its scale is alpha / r")
    dropout: BelowOne = Field(0.0, description="on the adapter's input")
    epochs: Count = Field(6, description="passes over the problems (the paper's are 5)")
    batch_size: Count = Field(16, description="problems a step")
    lr: Positive = Field(4e-3, description="AdamW's learning rate")
    weight_decay: NotNegative = Field(0.0, description="of all trained weights")
    warmup: Share = _WARMUP
    decay: Share = Field(1.0, description=_DECAY)
    prompt_weight: NotNegative = Field(0.0, description=_PROMPT_WEIGHT)
    precision: Precision = _PRECISION
    base_dtype: Dtype = Field(
        "float32", description="what the frozen base is held in; the adapter is float32"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass, for memory"
    )
    accumulate: Count = Field(
        1, description="parts that a step's batch is computed in, for memory; the same gradient"
    )
    processes: Count = Field(
        1, description="processes (GPUs of one machine) that share each batch; the same gradient"
    )


class SaeTraining(Section):
    """training with sae-lens (BatchTopK)"""

    problems: Count = Field(description="training problems of each subject that give activations")
    samples: Count = Field(description="activation vectors seen, with repetition")
    batch_size: Count = Field(description="activation vectors a step")
    lr: Positive = Field(description="Adam's learning rate; it falls to a tenth")


class Search(Section):
    """a search for one alpha a layer with CMA-ES (appendix D)"""

    vector: str = Field(description="the task vector that is scaled layer by layer")
    subject: Subject = Field(description="whose validation problems the fitness is measured on")
    fitness: Literal["perplexity"] = Field(
        "perplexity", description="what is minimized: perplexity of the solutions"
    )
    problems: Count = Field(description="so many of these problems, the first ones")
    evaluations: Annotated[int, Field(ge=2)] = Field(
        description="candidates that are measured; the last generation is finished"
    )
    population: Annotated[int, Field(ge=2)] = Field(description="candidates a generation (popsize)")
    sigma: Positive = Field(description="first standard deviation of an alpha (sigma0)")
    start: Number = Field(description="alpha of each layer that the search starts from (x0)")
    bounds: list[Alpha] = Field(
        description="smallest and largest alpha of a layer", min_length=2, max_length=2
    )
    best: Count = Field(description="candidates of lowest perplexity that an edit evaluates")
    spread: Seed = Field(description="more of them in even steps of perplexity up to the worst")
    seed: Seed = Field(description="of the samples")
