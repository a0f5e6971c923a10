"""Read the test problems again: at every alpha, with another batch size, under other protocols."""

from pathlib import Path

from stethoscope.answering import answer, backend
from stethoscope.data import of_subject, read_problems
from stethoscope.evaluation import Evaluator
from stethoscope.jobs import job
from stethoscope.provenance import read_json

with job(snakemake) as progress:
    inputs = snakemake.input
    base, edits = Path(inputs.model).parent, Path(inputs.edits).parent
    problems = read_problems(inputs.problems)
    parts = {subject: of_subject(problems, subject) for subject in snakemake.params.subjects}
    places = read_json(inputs.edits)["written"]
    if inputs.alphas:
        chosen = read_json(inputs.alphas)["edits"]
        places = [f"{edit}/alpha-{choice['chosen']}" for edit, choice in chosen.items()]
    how, folders = snakemake.params.generation, [edits / place for place in places]
    answers, questions = backend(base, folders, how, snakemake.params.device)
    evaluator = Evaluator(answers, parts, questions)
    answer(evaluator, base, edits, places, Path(snakemake.output[0]), progress)
