"""Evaluate an edit with lm-eval: every alpha on validation problems, the best of them on test.

One resident model answers for all draws. The test problems are read once alpha is chosen.
"""

from pathlib import Path

from stethoscope.answering import answer, choices
from stethoscope.data import of_subject, read_problems
from stethoscope.evaluation import Evaluator
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import read_json, write_json

with job(snakemake) as progress:
    inputs, outputs = snakemake.input, snakemake.output
    base, edits = Path(inputs.model).parent, Path(inputs.edits).parent
    model, tokenizer = load_model(base), load_tokenizer(base)

    def evaluator(path: str, subjects: list[str]) -> Evaluator:
        problems = read_problems(path)
        parts = {subject: of_subject(problems, subject) for subject in subjects}
        return Evaluator(model, tokenizer, parts, **snakemake.params.generation)

    asked = evaluator(inputs.validation, snakemake.params.choose_alpha_on)
    places = read_json(inputs.edits)["written"]
    chosen = choices(answer(asked, base, edits, places, Path(outputs.validation), progress))
    write_json(outputs.alphas, {"seed": int(snakemake.wildcards.seed), "edits": chosen})

    asked = evaluator(inputs.test, snakemake.params.subjects)
    places = [f"{edit}/alpha-{choice['chosen']}" for edit, choice in chosen.items()]
    answer(asked, base, edits, places, Path(outputs.test), progress)
