"""Evaluate edits on test again: at every alpha, with another batch size, under other protocols."""

from pathlib import Path

from stethoscope.evaluation.alpha_choice import chosen_edits
from stethoscope.evaluation.evaluate import Evaluation
from stethoscope.names import EditId
from stethoscope.runtime.files import read_json, write_json
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, wildcards, progress) -> None:
    edits = [EditId.of(record) for record in read_json(inputs.edits)["written"].values()]
    if inputs.alphas:
        edits = chosen_edits(read_json(inputs.alphas)["edits"])
    base, folder, target = Path(inputs.model).parent, Path(inputs.edits).parent, Path(outputs[0])
    evaluation = Evaluation(base, folder, edits, params.generation, params.device)
    written = evaluation.run(edits, inputs.problems, params.subjects, target.parent, progress)
    identity = {"seed": int(wildcards.seed), "spec": wildcards.spec, "split": wildcards.again}
    write_json(target, {**identity, "written": written})


if __name__ == "__main__":
    run(main)
