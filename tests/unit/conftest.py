"""A tiny base model with its tokenizer, and a LoRA on it, for all unit tests that need one."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from study_settings import pretraining, shape
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stethoscope.models.base import (
    load_model,
    load_tokenizer,
    new_model,
    save_model,
    train_tokenizer,
)
from stethoscope.models.lora import LORA_TARGETS
from stethoscope.models.pretrain import pretrain
from stethoscope.problems.records import SUBJECTS, completion, prompt
from stethoscope.runtime.files import MANIFEST, atomic_folder, folder_digest
from stethoscope.task_vectors.adapter import extract_task_vector
from stethoscope.task_vectors.task_vector import TaskVector

PROBLEMS = [
    {
        "problem": f"What is {a} + {b}?",
        "solution": f"{a} + {b} = {a + b}. " * (a % 3) + rf"\boxed{{{a + b}}}",
        "level": f"Level {1 + b % 5}",
        "type": list(SUBJECTS.values())[b % 2].type,
    }
    for a in range(8)
    for b in range(8)
]


@dataclass(frozen=True)
class TinyModel:
    """A Gemma 3 of 3 layers and width 32 that has learnt to answer in the corpus' form."""

    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def problems():
    return PROBLEMS


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, one_thread) -> TinyModel:
    texts = [prompt(record["problem"]) + completion(record["solution"]) for record in PROBLEMS]
    tokenizer = train_tokenizer(texts, 128)
    small = shape(
        layers=3, hidden=32, intermediate=48, heads=2, kv_heads=1, head_dim=16, max_positions=128
    )
    model = new_model(small, len(tokenizer), seed=1)
    settings = pretraining(epochs=40, batch_size=16, precision="fp32")
    pretrain(model, tokenizer, PROBLEMS, settings, 1, lambda line: None)
    target = tmp_path_factory.mktemp("tiny") / "model"
    with atomic_folder(target) as folder:
        save_model(model, tokenizer, folder)
    return TinyModel(target, load_model(target), load_tokenizer(target))


@pytest.fixture(scope="session")
def adapter(tiny, tmp_path_factory) -> Path:
    """A PEFT adapter folder with random A and B (PEFT's own B starts at zero)."""
    config = LoraConfig(r=4, lora_alpha=6, target_modules=LORA_TARGETS, task_type="CAUSAL_LM")
    torch.manual_seed(3)
    adapted = get_peft_model(load_model(tiny.folder), config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
    target = tmp_path_factory.mktemp("adapter") / "lora"
    with atomic_folder(target) as folder:
        adapted.save_pretrained(folder)
        weights = folder / "adapter_model.safetensors"
        base = folder_digest(tiny.folder / MANIFEST)
        save_file(load_file(weights), weights, metadata={"base": base})
    return target


@pytest.fixture(scope="session")
def vector(tiny, adapter) -> TaskVector:
    """The task vector of the adapter."""
    return extract_task_vector(adapter, tiny.folder)
