"""Pretrain the study's base model: its tokenizer, its architecture, its training."""

from pathlib import Path

from stethoscope.models.base import ModelSettings, new_model, save_model, train_tokenizer
from stethoscope.models.pretrain import PretrainSettings, pretrain
from stethoscope.problems.records import full_text, read_problems
from stethoscope.runtime.files import atomic_folder
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, wildcards, progress) -> None:
    settings, seed = params.settings, int(wildcards.seed)
    problems = read_problems(inputs.problems)
    tokenizer = train_tokenizer(map(full_text, problems), settings["vocabulary"])
    model = new_model(ModelSettings(**settings["architecture"]), len(tokenizer), seed)
    model.to(params.device)
    progress(f"{model.num_parameters():,} parameters, {len(problems)} problems")
    training = PretrainSettings(**settings["training"])
    pretrain(model, tokenizer, problems, training, seed, progress)
    with atomic_folder(Path(outputs[0]).parent) as folder:
        save_model(model, tokenizer, folder)


if __name__ == "__main__":
    run(main)
