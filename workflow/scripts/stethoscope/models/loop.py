"""The training loop of pretraining and LoRA.

Batches hold problems of similar length, padded on the right and never packed, so that causal
attention needs no mask. The same seed and data give the same weights, byte for byte, on one kind of
CPU with one number of threads, also when an interrupted training resumes after its last epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from accelerate import Accelerator
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from stethoscope.models.gemma import fast_forward
from stethoscope.models.loss import Example, collate, weighted_loss
from stethoscope.models.muon import matrix_dtype
from stethoscope.runtime.resume import Checkpoint

Progress = Callable[[str], None]

# Batches of similar length are cut from this many shuffled batches at a time.
_BUCKET = 32


@dataclass(frozen=True)
class LoopSettings:
    """Settings that pretraining and LoRA share.

    epochs: passes over the problems. batch_size: problems a step. weight_decay: of AdamW or Muon.
    warmup, decay: shares of all steps over which the learning rate rises from 0 and falls to 0.
    prompt_weight: weight of a prompt token in the loss; a solution token weighs 1. precision:
    "bf16" or "fp32"; bf16 is fp32 on a CPU that would emulate it (`muon.matrix_dtype`).
    """

    epochs: int
    batch_size: int
    weight_decay: float
    warmup: float
    decay: float
    prompt_weight: float
    precision: str


def train(
    model: PreTrainedModel | PeftModel,
    examples: Sequence[Example],
    optimizers: Sequence[torch.optim.Optimizer],
    settings: LoopSettings,
    seed: int,
    progress: Progress,
    accumulate: int = 1,
    checkpoint: Checkpoint | None = None,
    accelerator: Accelerator | None = None,
) -> None:
    """Train what the optimizers hold, in place, with gradients clipped to norm 1.

    accumulate: parts of a batch that are computed one after the other. checkpoint: written after
    each epoch, and resumed from if it is there. accelerator: of the processes that share batches.

    Raises ValueError for an unknown precision.
    """
    if settings.precision not in ("bf16", "fp32"):
        raise ValueError(f"precision: {settings.precision!r} is neither 'bf16' nor 'fp32'")
    per_epoch = -(-len(examples) // settings.batch_size)
    steps = per_epoch * settings.epochs
    lengths = [len(example.ids) for example in examples]
    trained = [p for optimizer in optimizers for g in optimizer.param_groups for p in g["params"]]
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    pad_id = base.config.get_text_config().pad_token_id or 0
    process = accelerator.process_index if accelerator else 0
    done = 0
    if checkpoint is not None and (state := checkpoint.load()):
        done = _resume(trained, optimizers, state)
        progress(f"resumes after step {done} of {steps}")
    # After the resume, which replaces the groups.
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    recent: list[torch.Tensor] = []
    model.train()
    with torch.random.fork_rng(devices=[]), fast_forward(base, max(lengths)):
        order = batches(lengths, settings.batch_size, settings.epochs, seed)
        for step, indices in islice(enumerate(order), done, None):
            if step % per_epoch == 0:  # so that a resumed epoch has the same dropout
                key = (seed, step // per_epoch, process)
                torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
            for group, peak in zip(groups, peaks, strict=True):
                group["lr"] = peak * schedule(step, steps, settings.warmup, settings.decay)
            batch = collate([examples[i] for i in indices], pad_id, settings.prompt_weight)
            recent.append(_gradients(model, batch, settings.precision, accumulate, accelerator))
            if accelerator and accelerator.num_processes > 1:
                recent[-1] = _reduced(trained, recent[-1], accelerator)
            nn.utils.clip_grad_norm_(trained, 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            if (step + 1) % max(1, steps // 20) == 0 or step + 1 == steps:
                mean = torch.stack(recent).mean().item()
                recent.clear()
                progress(f"step {step + 1} of {steps} ({(step + 1) / steps:.0%}), loss {mean:.3f}")
            if checkpoint is not None and (step + 1) % per_epoch == 0 and process == 0:
                checkpoint.save(_state(step + 1, trained, optimizers))
    model.eval()


def in_bf16(precision: str, device: torch.device) -> bool:
    """Whether a training computes in bfloat16: by its precision, on a device that supports it."""
    return precision == "bf16" and matrix_dtype(device) == torch.bfloat16


def _gradients(
    model: PreTrainedModel | PeftModel,
    batch: tuple[torch.Tensor, torch.Tensor],
    precision: str,
    accumulate: int,
    accelerator: Accelerator | None,
) -> torch.Tensor:
    """Add the gradients of this process's parts of a batch; returns their part of its loss."""
    ids, weights = batch
    device = model.device
    processes = accelerator.num_processes if accelerator else 1
    process = accelerator.process_index if accelerator else 0
    total = torch.zeros((), device=device)
    for rows in np.array_split(np.arange(len(ids)), accumulate * processes)[process::processes]:
        if not len(rows):
            continue
        counted = weights[rows]
        # Parts add up to the mean over the tokens of the whole batch.
        share = float(counted.sum() / weights.sum())
        with torch.autocast(device.type, torch.bfloat16, in_bf16(precision, device)):
            loss = weighted_loss(model, ids[rows].to(device), counted.to(device)) * share
        loss.backward()
        total += loss.detach()
    return total


def _reduced(
    trained: Sequence[nn.Parameter], loss: torch.Tensor, accelerator: Accelerator
) -> torch.Tensor:
    """Sum the gradients over the processes, in place; returns the sum of the losses."""
    total = accelerator.reduce(loss)
    for parameter in trained:
        if parameter.grad is None:  # fewer problems than parts
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad = accelerator.reduce(parameter.grad)
    return total


def _state(
    steps: int, trained: Sequence[nn.Parameter], optimizers: Sequence[torch.optim.Optimizer]
) -> dict:
    return {
        "steps": steps,
        "trained": [parameter.detach() for parameter in trained],
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }


def _resume(
    trained: Sequence[nn.Parameter], optimizers: Sequence[torch.optim.Optimizer], state: dict
) -> int:
    """Restore weights and optimizers from a checkpoint; returns its number of steps."""
    with torch.no_grad():
        for parameter, saved in zip(trained, state["trained"], strict=True):
            parameter.copy_(saved)
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return state["steps"]


def batches(
    lengths: Sequence[int], batch_size: int, epochs: int, seed: int
) -> Iterator[np.ndarray]:
    """Indices of the examples of each step; every example once an epoch.

    Shuffled, then sorted by length within a window of batches, then the batches of the window
    shuffled: little padding, and no order by length over the training.
    """
    lengths = np.asarray(lengths)
    generator = np.random.default_rng(seed)
    window = _BUCKET * batch_size
    for _ in range(epochs):
        order = generator.permutation(len(lengths))
        for start in range(0, len(order), window):
            part = order[start : start + window]
            part = part[np.argsort(lengths[part], kind="stable")]
            cut = [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
            for index in generator.permutation(len(cut)):
                yield cut[index]


def schedule(step: int, steps: int, warmup: float, decay: float) -> float:
    """Factor of the learning rate: a linear rise, a flat part, a linear fall to 0.

    step: 0 ... steps - 1; warmup and decay: shares of `steps`.
    """
    rise = (step + 1) / max(1.0, warmup * steps)
    fall = (steps - step) / max(1.0, decay * steps)
    return min(1.0, rise, fall)
