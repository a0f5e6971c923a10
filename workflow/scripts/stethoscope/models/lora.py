"""Fine-tuning of a LoRA on the task vector's problems (paper, section 4.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from peft import LoraConfig, PeftModel, get_peft_model
from peft.helpers import disable_input_dtype_casting
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.models.loop import LoopSettings, Progress, in_bf16, train
from stethoscope.models.loss import encode
from stethoscope.runtime.files import MANIFEST, atomic_folder, folder_digest, sha256_bytes
from stethoscope.runtime.resume import Checkpoint

# Full names of the seven linear modules in the layers of a language model. A vision tower also
# has layers with a q_proj, k_proj and v_proj; an adapter must never reach them.
LORA_TARGETS = (
    r"^(?!.*vision).*layers\.\d+\."
    r"(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)$"
)


@dataclass(frozen=True)
class LoraSettings(LoopSettings):
    """Settings of an adapter's training; r and alpha are the paper's.

    dropout: on the adapter's input. lr: of AdamW, which all trained weights share. The last three
    trade time for memory and leave the method as it is. base_dtype: "float32" or "bfloat16", of the
    frozen base; the adapter is float32. gradient_checkpointing: activations are computed again in
    the backward pass. accumulate: parts that a step's batch is computed in, one after the other;
    their gradient is the batch's.
    """

    rank: int
    alpha: int
    dropout: float
    lr: float
    base_dtype: str
    gradient_checkpointing: bool
    accumulate: int


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
    checkpoint: written after each epoch, and resumed from if it is there. accelerator: of
    the processes that share each batch; all end with the same adapter.
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
    with disable_input_dtype_casting(adapted, active=in_bf16(settings.precision, model.device)):
        train(
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
    accelerator = Accelerator(cpu=device == "cpu") if processes > 1 else None
    digest = folder_digest(base / MANIFEST)
    key = json.dumps([digest, problems, asdict(settings), processes, seed], sort_keys=True)
    checkpoint = Checkpoint(
        target.with_name(f"{target.name}.checkpoint"), sha256_bytes(key.encode())
    )
    model = load_model(base, getattr(torch, settings.base_dtype))
    model.to(accelerator.device if accelerator else device)
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
