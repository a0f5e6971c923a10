"""Fine-tune a LoRA on the task vector's training problems (paper, section 4, 'Task vector').

Several processes share each batch where the study says so. An interrupted training resumes after
its last whole epoch.
"""

from pathlib import Path

from stethoscope.models.lora import LoraSettings, train_adapter
from stethoscope.problems.records import first_of_each, read_problems
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, wildcards, progress) -> None:
    problems = read_problems(inputs.problems)
    chosen = first_of_each(problems, params.settings["problems"], inputs.problems)
    progress(f"{len(chosen)} problems")
    lora = {key: value for key, value in params.settings["lora"].items() if key != "processes"}
    train_adapter(
        Path(inputs.model).parent,
        Path(outputs[0]).parent,
        chosen,
        LoraSettings(**lora),
        int(wildcards.seed),
        params.device,
        params.processes,
        progress,
    )


if __name__ == "__main__":
    run(main)
