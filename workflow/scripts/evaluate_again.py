"""Read the test problems again: at every alpha (sweep), or with another batch size (noise)."""

from pathlib import Path

from stethoscope.answering import answer
from stethoscope.data import of_subject, read_problems
from stethoscope.evaluation import Evaluator
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import read_json

with job(snakemake) as progress:
    inputs = snakemake.input
    base, edits = Path(inputs.model).parent, Path(inputs.edits).parent
    problems = read_problems(inputs.problems)
    parts = {subject: of_subject(problems, subject) for subject in snakemake.params.subjects}
    evaluator = Evaluator(
        load_model(base), load_tokenizer(base), parts, **snakemake.params.generation
    )
    places = read_json(inputs.edits)["written"]
    if snakemake.wildcards.again == "noise":
        chosen = read_json(inputs.alphas)["edits"]
        places = [f"{edit}/alpha-{choice['chosen']}" for edit, choice in chosen.items()]
    answer(evaluator, base, edits, places, Path(snakemake.output[0]), progress)
