"""Evaluate an edit with lm-eval: every alpha on validation problems, the best of them on test.

One loaded model answers for all draws. The test problems are read once alpha is chosen.
"""

from pathlib import Path

from stethoscope.evaluation.alpha_choice import choices, chosen_edits
from stethoscope.evaluation.evaluate import Evaluation
from stethoscope.evaluation.reuse import reusable_answers
from stethoscope.names import EditId
from stethoscope.runtime.files import read_json, write_json
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, wildcards, progress) -> None:
    listed = read_json(inputs.edits)["written"].values()
    edits = {EditId.of(record): record["files"] for record in listed}
    base, folder = Path(inputs.model).parent, Path(inputs.edits).parent
    evaluation = Evaluation(base, folder, list(edits), params.generation, params.device)
    identity = {"seed": int(wildcards.seed), "spec": wildcards.spec}

    def evaluate(some, split, subjects):
        earlier = zip(inputs.earlier_edits, inputs[f"earlier_{split}"], strict=True)
        reusable, target = reusable_answers(edits, earlier), Path(outputs[split]).parent
        written = evaluation.run(some, inputs[split], subjects, target, progress, reusable)
        write_json(outputs[split], {**identity, "split": split, "written": written})
        return written

    chosen = choices(evaluate(list(edits), "validation", params.choose_alpha_on).values())
    write_json(outputs.alphas, {**identity, "edits": chosen})
    evaluate(chosen_edits(chosen), "test", params.subjects)


if __name__ == "__main__":
    run(main)
