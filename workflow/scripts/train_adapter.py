"""Fine-tune a LoRA on the task vector's training problems (paper, section 4, 'Task vector').

Several processes share each batch where the study asks for them. A training that was interrupted
goes on after its last whole epoch.
"""

import json
from itertools import chain
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.numpy import load_file, save_file

from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.models.training import LoraSettings, fine_tune_lora
from stethoscope.problems.records import of_subject, read_problems
from stethoscope.runtime.files import atomic_folder, folder_digest, sha256_bytes
from stethoscope.runtime.jobs import in_processes, job
from stethoscope.runtime.resume import Checkpoint

settings, seed = snakemake.params.settings, int(snakemake.wildcards.seed)
about = dict(settings["lora"])
processes = about.pop("processes")
if not in_processes(processes):
    with job(snakemake) as progress:
        base, target = Path(snakemake.input.model).parent, Path(snakemake.output[0]).parent
        problems = read_problems(snakemake.input.problems)
        chosen = list(
            chain.from_iterable(
                of_subject(problems, subject)[:count]
                for subject, count in settings["problems"].items()
            )
        )
        wanted = sum(settings["problems"].values())
        if len(chosen) < wanted:
            raise ValueError(
                f"{snakemake.input.problems}: {len(chosen)} of {wanted} problems wanted"
            )
        progress(f"{len(chosen)} problems")
        accelerator, device = None, torch.device(snakemake.params.device)
        if processes > 1:
            accelerator = Accelerator(cpu=device.type == "cpu")
            device = accelerator.device
        lora, digest = LoraSettings(**about), folder_digest(snakemake.input.model)
        key = json.dumps([digest, chosen, about, processes, seed], sort_keys=True).encode()
        checkpoint = Checkpoint(target.with_name(f"{target.name}.checkpoint"), sha256_bytes(key))
        model = load_model(base, getattr(torch, lora.base_dtype)).to(device)
        adapted = fine_tune_lora(
            model, load_tokenizer(base), chosen, lora, seed, progress, checkpoint, accelerator
        )
        if accelerator is None or accelerator.is_main_process:
            with atomic_folder(target) as folder:
                adapted.save_pretrained(folder)
                (folder / "README.md").unlink(missing_ok=True)
                weights = folder / "adapter_model.safetensors"
                save_file(load_file(weights), weights, metadata={"base": digest})
            checkpoint.remove()
