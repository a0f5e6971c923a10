"""Training: grow the demo's base model, fine-tune a LoRA on one subject (paper, section 4.1).

One loop serves both. Batches hold problems of similar length, padded on the right and never packed,
so that causal attention needs no mask; the loss counts solution tokens fully and prompt tokens by a
set weight. The same seed and data give the same weights, byte for byte, on one kind of CPU with one
number of threads, also when a training was interrupted and goes on from its last epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from peft import LoraConfig, PeftModel, get_peft_model
from peft.helpers import disable_input_dtype_casting
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, Gemma3TextConfig, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.models.muon import StackedMuon
from stethoscope.problems.records import completion, prompt
from stethoscope.runtime.files import MANIFEST, atomic_folder, folder_digest, sha256_bytes
from stethoscope.runtime.resume import Checkpoint

Progress = Callable[[str], None]

# Full names of the seven linear modules in the layers of a language model. A vision tower also
# has layers with a q_proj, k_proj and v_proj; an adapter must never reach them.
LORA_TARGETS = (
    r"^(?!.*vision).*layers\.\d+\."
    r"(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)$"
)

# Batches of similar length are cut from this many shuffled batches at a time.
_BUCKET = 32


@dataclass(frozen=True)
class GrowSettings:
    """How a base model is trained from nothing.

    epochs: passes over the problems.
    batch_size: problems a step.
    matrix_lr: learning rate of Muon, on the weight matrices of the layers.
    vector_lr: learning rate of AdamW, on embeddings and norms.
    weight_decay: of the matrices.
    warmup, decay: shares of all steps over which the learning rate rises from 0 and falls to 0.
    prompt_weight: weight of a prompt token in the loss; a solution token weighs 1.
    precision: "bf16" (fast on CPUs with AVX512_BF16 or AMX, and on GPUs) or "fp32".
    """

    epochs: int
    batch_size: int
    matrix_lr: float
    vector_lr: float
    weight_decay: float
    warmup: float
    decay: float
    prompt_weight: float
    precision: str


@dataclass(frozen=True)
class LoraSettings:
    """How an adapter is trained; r and alpha are the paper's.

    dropout: on the adapter's input. The other fields mean what they mean in GrowSettings; all
    trained weights share AdamW at `lr`. The last three trade time for memory and leave the method
    as it is. base_dtype: "float32" or "bfloat16", of the frozen base; the adapter is float32.
    gradient_checkpointing: activations are computed again in the backward pass. accumulate: parts
    that a step's batch is computed in, one after the other; their gradient is the batch's.
    """

    rank: int
    alpha: int
    dropout: float
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    warmup: float
    decay: float
    prompt_weight: float
    precision: str
    base_dtype: str
    gradient_checkpointing: bool
    accumulate: int


@dataclass(frozen=True)
class Example:
    """A tokenized problem: <bos> prompt solution <eos>, of which the first n_prompt are prompt."""

    ids: tuple[int, ...]
    n_prompt: int


def grow(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    problems: Sequence[Mapping[str, str]],
    settings: GrowSettings,
    seed: int,
    progress: Progress,
) -> None:
    """Train all weights of `model` on `problems`, in place."""
    matrices, vectors = [], []
    embedding = model.get_input_embeddings().weight
    for parameter in model.parameters():
        is_matrix = parameter.ndim == 2 and parameter is not embedding
        (matrices if is_matrix else vectors).append(parameter)
    optimizers = [
        StackedMuon(matrices, lr=settings.matrix_lr, weight_decay=settings.weight_decay),
        torch.optim.AdamW(
            vectors, lr=settings.vector_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        ),
    ]
    _train(model, encode(tokenizer, problems), optimizers, settings, seed, progress)


def fine_tune_lora(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    problems: Sequence[Mapping[str, str]],
    settings: LoraSettings,
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
    accelerator: Accelerator | None = None,
) -> PeftModel:
    """Train a LoRA on `problems`; the weights of `model` itself stay as they are.

    Paper, section 4.1: r = 16, alpha = 32, on all seven linear modules of each decoder layer.
    checkpoint: written after each epoch, and gone on from where it holds one. accelerator: where
    several processes share each batch; each of them ends with the same adapter.
    Returns `model` wrapped with the trained adapter.
    """
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=LORA_TARGETS,
        bias="none",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(model, config)
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, lr=settings.lr, weight_decay=settings.weight_decay, fused=True
    )
    if settings.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    # PEFT would turn each input into float32 just before autocast turns it into bfloat16.
    with disable_input_dtype_casting(adapted, active=settings.precision == "bf16"):
        _train(
            adapted,
            encode(tokenizer, problems),
            [optimizer],
            settings,
            seed,
            progress,
            settings.accumulate,
            checkpoint,
            accelerator,
        )
    if settings.gradient_checkpointing:
        model.activation_checkpointing_disable()
    return adapted


def train_adapter(
    base: Path,
    target: Path,
    problems: Sequence[Mapping[str, str]],
    settings: LoraSettings,
    seed: int,
    device: str,
    processes: int,
    progress: Progress,
) -> None:
    """Train a LoRA on the base model in a folder, and save it to another in PEFT's format.

    base, target: folders; the digest of the base becomes metadata of the adapter's weights.
    processes: of this script, which share each batch; each of them calls this function. A file
    beside `target` lets an interrupted training of the same resume; it is removed at the end.
    """
    accelerator, place = None, torch.device(device)
    if processes > 1:
        accelerator = Accelerator(cpu=place.type == "cpu")
        place = accelerator.device
    digest = folder_digest(base / MANIFEST)
    key = json.dumps([digest, problems, asdict(settings), processes, seed], sort_keys=True)
    checkpoint = Checkpoint(
        target.with_name(f"{target.name}.checkpoint"), sha256_bytes(key.encode())
    )
    model = load_model(base, getattr(torch, settings.base_dtype)).to(place)
    adapted = fine_tune_lora(
        model, load_tokenizer(base), problems, settings, seed, progress, checkpoint, accelerator
    )
    if accelerator is None or accelerator.is_main_process:
        with atomic_folder(target) as folder:
            adapted.save_pretrained(folder)
            (folder / "README.md").unlink(missing_ok=True)
            weights = folder / "adapter_model.safetensors"
            save_file(load_file(weights), weights, metadata={"base": digest})
        checkpoint.remove()


def encode(tokenizer: Tokenizer, problems: Sequence[Mapping[str, str]]) -> list[Example]:
    """Tokenize problems for training.

    Prompt and solution are tokenized apart, so that the model learns to go on from exactly the
    tokens that an evaluation gives it.

    Raises ValueError if there are no problems.
    """
    if not problems:
        raise ValueError("no problems to train on")
    prompts = tokenizer([prompt(problem["problem"]) for problem in problems])["input_ids"]
    solutions = tokenizer(
        [completion(problem["solution"]) for problem in problems], add_special_tokens=False
    )["input_ids"]
    return [
        Example((*head, *tail, tokenizer.eos_token_id), len(head))
        for head, tail in zip(prompts, solutions, strict=True)
    ]


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


def collate(
    examples: Sequence[Example], pad_id: int, prompt_weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (batch, length), padded on the right, and the loss weight of each token.

    The weight of a token is that of predicting it from the ones before it: 0 for <bos> and
    padding, prompt_weight for the prompt, 1 for the solution and its <eos>.
    """
    length = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), length), pad_id)
    weights = torch.zeros(len(examples), length)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        weights[row, 1 : example.n_prompt] = prompt_weight
        weights[row, example.n_prompt : len(example.ids)] = 1.0
    return ids, weights


def weighted_loss(
    model: PreTrainedModel | PeftModel, ids: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Mean cross-entropy of the next token (nats), weighted by `weights` as made by `collate`.

    The vocabulary's logits are computed only where the weight is not 0.
    """
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    # The decoder itself, since a multimodal wrapper wants image arguments when it trains.
    hidden = base.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    targets, weights = ids[:, 1:], weights[:, 1:]
    counted = weights > 0
    logits = base.get_output_embeddings()(hidden[counted])
    losses = functional.cross_entropy(logits.float(), targets[counted], reduction="none")
    return (losses * weights[counted]).sum() / weights.sum()


def schedule(step: int, steps: int, warmup: float, decay: float) -> float:
    """Factor of the learning rate: a linear rise, a flat part, a linear fall to 0.

    step: 0 ... steps - 1; warmup and decay: shares of `steps`.
    """
    rise = (step + 1) / max(1.0, warmup * steps)
    fall = (steps - step) / max(1.0, decay * steps)
    return min(1.0, rise, fall)


def _train(
    model: PreTrainedModel | PeftModel,
    examples: Sequence[Example],
    optimizers: Sequence[torch.optim.Optimizer],
    settings: GrowSettings | LoraSettings,
    seed: int,
    progress: Progress,
    accumulate: int = 1,
    checkpoint: Checkpoint | None = None,
    accelerator: Accelerator | None = None,
) -> None:
    if settings.precision not in ("bf16", "fp32"):
        raise ValueError(f"precision: {settings.precision!r} is neither 'bf16' nor 'fp32'")
    per_epoch = -(-len(examples) // settings.batch_size)
    steps = per_epoch * settings.epochs
    lengths = [len(example.ids) for example in examples]
    trained = [p for optimizer in optimizers for g in optimizer.param_groups for p in g["params"]]
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    pad_id = base.config.get_text_config().pad_token_id or 0
    device = base.device
    processes, process = 1, 0
    if accelerator is not None:
        processes, process = accelerator.num_processes, accelerator.process_index
    done = 0
    if checkpoint is not None and (state := checkpoint.load()):
        done = _resume(trained, optimizers, state)
        progress(f"goes on after step {done} of {steps}")
    # Only now, since loading a state puts new groups in their place.
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    recent: list[torch.Tensor] = []
    model.train()
    with torch.random.fork_rng(devices=[]), fast_forward(base, max(lengths)):
        order = batches(lengths, settings.batch_size, settings.epochs, seed)
        for step, indices in enumerate(order):
            if step < done:
                continue
            if step % per_epoch == 0:  # an epoch's dropout, whether or not others came before it
                key = (seed, step // per_epoch, process)
                torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
            factor = schedule(step, steps, settings.warmup, settings.decay)
            for group, peak in zip(groups, peaks, strict=True):
                group["lr"] = peak * factor
            ids, weights = collate([examples[i] for i in indices], pad_id, settings.prompt_weight)
            total = torch.zeros((), device=device)
            for rows in np.array_split(np.arange(len(ids)), accumulate * processes)[
                process::processes
            ]:
                if not len(rows):
                    continue
                counted = weights[rows]
                # Parts add up to the mean over the tokens of the whole batch.
                share = float(counted.sum() / weights.sum())
                with torch.autocast(device.type, torch.bfloat16, settings.precision == "bf16"):
                    loss = weighted_loss(model, ids[rows].to(device), counted.to(device)) * share
                loss.backward()
                total += loss.detach()
            if processes > 1:
                total = accelerator.reduce(total)
                for parameter in trained:
                    if parameter.grad is None:  # fewer problems than parts
                        parameter.grad = torch.zeros_like(parameter)
                    parameter.grad = accelerator.reduce(parameter.grad)
            nn.utils.clip_grad_norm_(trained, 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            recent.append(total)
            if (step + 1) % max(1, steps // 20) == 0 or step + 1 == steps:
                mean = torch.stack(recent).mean().item()
                recent.clear()
                progress(f"step {step + 1} of {steps} ({(step + 1) / steps:.0%}), loss {mean:.3f}")
            if checkpoint is not None and (step + 1) % per_epoch == 0 and process == 0:
                checkpoint.save(
                    {
                        "steps": step + 1,
                        "trained": [parameter.detach() for parameter in trained],
                        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                    }
                )
    model.eval()


def _resume(
    trained: Sequence[nn.Parameter], optimizers: Sequence[torch.optim.Optimizer], state: dict
) -> int:
    """Put weights and optimizers where a checkpoint left them; the steps that it had done."""
    with torch.no_grad():
        for parameter, saved in zip(trained, state["trained"], strict=True):
            parameter.copy_(saved)
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return state["steps"]


@contextmanager
def fast_forward(model: PreTrainedModel, longest: int) -> Iterator[None]:
    """Let a text-only Gemma 3 compute the same function faster on a CPU, for a while.

    Attention becomes plain matrix products (the backward pass of PyTorch's own is slow on CPUs)
    and gets no mask but the causal one, RMSNorm gets a backward pass by hand. Needs right padding,
    and sequences (longest, in tokens) that fit into the sliding window. Any other model, device
    or length is left alone.
    """
    config = model.config
    if (
        not isinstance(config, Gemma3TextConfig)
        or model.device.type != "cpu"
        or longest > config.sliding_window
    ):
        yield
        return
    norms = [module for module in model.modules() if isinstance(module, Gemma3RMSNorm)]
    attention = config._attn_implementation
    config._attn_implementation = _ATTENTION
    for norm in norms:
        norm.forward = _fast_rms_norm.__get__(norm)
    try:
        yield
    finally:
        config._attn_implementation = attention
        for norm in norms:
            del norm.forward


def _causal_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention as plain matrix products, with the softmax in float32.

    query: (batch, heads, length, head_dim); key and value have fewer heads, each for a group of
    neighbouring query heads. Returns (batch, length, heads, head_dim).
    """
    batch, heads, length, width = query.shape
    shared = key.shape[1]
    dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else query.dtype
    # The heads that share a key lie below each other, so that one product serves all of them.
    query = query.to(dtype).reshape(batch * shared, -1, width)
    key = key.to(dtype).reshape(batch * shared, length, width)
    value = value.to(dtype).reshape(batch * shared, length, width)
    mask = torch.full((length, length), -torch.inf, dtype=dtype).triu(1).repeat(heads // shared, 1)
    scores = torch.baddbmm(mask, query, key.mT, alpha=scaling)
    output = torch.bmm(scores.softmax(-1, dtype=torch.float32).to(dtype), value)
    return output.view(batch, heads, length, width).transpose(1, 2), None


_ATTENTION = "stethoscope_causal"
AttentionInterface.register(_ATTENTION, _causal_attention)


class _RmsNorm(torch.autograd.Function):
    """x / rms(x) * scale over the last dimension, computed in float32, returned as dtype."""

    @staticmethod
    def forward(
        ctx, x: torch.Tensor, scale: torch.Tensor, eps: float, dtype: torch.dtype
    ) -> torch.Tensor:
        wide = x.float()
        inverse = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = inverse.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(wide, inverse, scale)
        ctx.dtype = x.dtype
        return (wide * inverse).mul_(scale).to(dtype)

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, inverse, scale = ctx.saved_tensors
        grad = grad.float()
        product = grad * x
        along = (product @ scale).unsqueeze(-1).mul_(inverse.pow(3)).div_(x.shape[-1])
        grad_x = (grad * scale).mul_(inverse).addcmul_(x, along, value=-1.0)
        grad_scale = None
        if ctx.needs_input_grad[1]:
            grad_scale = inverse.flatten() @ product.flatten(0, -2)
        return grad_x.to(ctx.dtype), grad_scale, None, None


def _fast_rms_norm(norm: Gemma3RMSNorm, x: torch.Tensor) -> torch.Tensor:
    dtype = x.dtype
    if torch.is_autocast_enabled("cpu"):
        # A norm of the float32 residual stream feeds linear maps, which want bfloat16 (once, not
        # once each); a norm of a linear map's bfloat16 output feeds float32 arithmetic.
        dtype = torch.bfloat16 if dtype == torch.float32 else torch.float32
    return _RmsNorm.apply(x, 1.0 + norm.weight.float(), norm.eps, dtype)
