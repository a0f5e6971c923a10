"""Fine-tune a LoRA on the task vector's training problems (paper, section 4, 'Task vector')."""

from itertools import chain
from pathlib import Path

from safetensors.numpy import load_file, save_file

from stethoscope.data import of_subject, read_problems
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import atomic_folder, folder_digest
from stethoscope.training import LoraSettings, fine_tune_lora

with job(snakemake) as progress:
    settings, seed = snakemake.params.settings, int(snakemake.wildcards.seed)
    base = Path(snakemake.input.model).parent
    problems = read_problems(snakemake.input.problems)
    chosen = list(
        chain.from_iterable(
            of_subject(problems, subject)[:count] for subject, count in settings["problems"].items()
        )
    )
    wanted = sum(settings["problems"].values())
    if len(chosen) < wanted:
        raise ValueError(f"{snakemake.input.problems}: {len(chosen)} of {wanted} problems wanted")
    progress(f"{len(chosen)} problems")
    lora = LoraSettings(**settings["lora"])
    adapted = fine_tune_lora(load_model(base), load_tokenizer(base), chosen, lora, seed, progress)
    with atomic_folder(Path(snakemake.output[0]).parent) as folder:
        adapted.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        weights = folder / "adapter_model.safetensors"
        save_file(
            load_file(weights), weights, metadata={"base": folder_digest(snakemake.input.model)}
        )
