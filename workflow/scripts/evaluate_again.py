"""Read the test problems again: at every alpha, with another batch size, under other protocols."""

from functools import partial
from pathlib import Path

from stethoscope.evaluation.answering import answer, evaluators
from stethoscope.runtime.files import read_json
from stethoscope.runtime.jobs import job

with job(snakemake) as progress:
    inputs, params = snakemake.input, snakemake.params
    base, edits = Path(inputs.model).parent, Path(inputs.edits).parent
    places = read_json(inputs.edits)["written"]
    if inputs.alphas:
        chosen = read_json(inputs.alphas)["edits"]
        places = [f"{edit}/alpha-{choice['chosen']}" for edit, choice in chosen.items()]
    folders = [edits / place for place in places]
    evaluator = evaluators(base, folders, params.generation, params.device)
    asked = partial(evaluator, inputs.problems, params.subjects)
    answer(asked, base, edits, places, Path(snakemake.output[0]), progress)
