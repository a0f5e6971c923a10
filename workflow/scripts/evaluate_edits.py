"""Evaluate an edit with lm-eval: every alpha on validation problems, the best of them on test.

One resident model answers for all draws. The test problems are read once alpha is chosen.
"""

from functools import partial
from pathlib import Path

from stethoscope.evaluation.answering import already_answered, answer, choices, evaluators
from stethoscope.runtime.files import read_json, write_json
from stethoscope.runtime.jobs import job

with job(snakemake) as progress:
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    base, edits = Path(inputs.model).parent, Path(inputs.edits).parent
    written = read_json(inputs.edits)["written"]
    folders = [edits / place for place in written]
    evaluator = evaluators(base, folders, params.generation, params.device)

    asked = partial(evaluator, inputs.validation, params.choose_alpha_on)
    known = already_answered(inputs.known_validation, edits, written)
    target = Path(outputs.validation)
    chosen = choices(answer(asked, base, edits, written, target, progress, known))
    write_json(outputs.alphas, {"seed": int(snakemake.wildcards.seed), "edits": chosen})

    asked = partial(evaluator, inputs.test, params.subjects)
    known = already_answered(inputs.known_test, edits, written)
    places = [f"{edit}/alpha-{choice['chosen']}" for edit, choice in chosen.items()]
    answer(asked, base, edits, places, Path(outputs.test), progress, known)
