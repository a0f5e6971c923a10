"""Evaluate an edit with lm-eval: every alpha on validation problems, the best of them on test.

One resident model answers for all draws. The test problems are read once alpha is chosen.
"""

from pathlib import Path

from stethoscope.answering import answer, backend, choices
from stethoscope.data import of_subject, read_problems
from stethoscope.evaluation import Evaluator
from stethoscope.jobs import job
from stethoscope.provenance import read_json, write_json

with job(snakemake) as progress:
    inputs, outputs = snakemake.input, snakemake.output
    base, edits = Path(inputs.model).parent, Path(inputs.edits).parent
    places = read_json(inputs.edits)["written"]
    how, folders = snakemake.params.generation, [edits / place for place in places]
    answers, questions = backend(base, folders, how, snakemake.params.device)

    def evaluator(path: str, subjects: list[str]) -> Evaluator:
        problems = read_problems(path)
        parts = {subject: of_subject(problems, subject) for subject in subjects}
        return Evaluator(answers, parts, questions)

    asked = evaluator(inputs.validation, snakemake.params.choose_alpha_on)
    chosen = choices(answer(asked, base, edits, places, Path(outputs.validation), progress))
    write_json(outputs.alphas, {"seed": int(snakemake.wildcards.seed), "edits": chosen})

    asked = evaluator(inputs.test, snakemake.params.subjects)
    places = [f"{edit}/alpha-{choice['chosen']}" for edit, choice in chosen.items()]
    answer(asked, base, edits, places, Path(outputs.test), progress)
