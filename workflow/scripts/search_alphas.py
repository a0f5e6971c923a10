"""Search one alpha a layer by CMA-ES, with perplexity on validation problems as its fitness."""

from math import exp
from pathlib import Path

import numpy as np

from stethoscope.edits.apply import edited
from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.models.loss import solution_batches, solution_loss
from stethoscope.problems.records import of_subject, read_problems
from stethoscope.runtime.files import write_json, write_table
from stethoscope.runtime.jobs import run
from stethoscope.selection.cma_search import SearchSettings, alpha_columns, keep, search
from stethoscope.task_vectors.task_vector import TaskVector, check_base, scaled


def main(inputs, outputs, params, wildcards, progress) -> None:
    settings, n_layers = dict(params.settings), params.n_layers
    base = Path(inputs.model).parent
    vector = TaskVector.load(inputs.vector)
    check_base(vector, base, inputs.vector)
    identity = {key: settings.pop(key) for key in ("vector", "subject", "fitness", "problems")}
    counts = {key: settings.pop(key) for key in ("best", "spread")}
    problems = of_subject(read_problems(inputs.problems), identity["subject"])
    model = load_model(base).to(params.device)
    batches = solution_batches(load_tokenizer(base), problems[: identity["problems"]])

    def perplexity(alphas: np.ndarray) -> float:
        with edited(model, scaled(vector, alphas)):
            return exp(solution_loss(model, batches))

    candidates = search(perplexity, n_layers, SearchSettings(**settings), progress)
    kept = [
        {
            "candidate": row["candidate"],
            "why": row["why"],
            "perplexity": row["perplexity"],
            "alphas": [row[column] for column in alpha_columns(n_layers)],
        }
        for row in keep(candidates, **counts).to_dict("records")
    ]
    result = {
        "search": wildcards.search,
        **identity,
        "perplexity_base": perplexity(np.zeros(n_layers)),
        "perplexity_full": perplexity(np.ones(n_layers)),
        "kept": kept,
    }
    write_table(outputs.candidates, candidates)
    write_json(outputs.best, result)
    progress(
        f"perplexity {kept[0]['perplexity']:.4f} to {kept[-1]['perplexity']:.4f}, of the base "
        f"{result['perplexity_base']:.4f}, of the full merge {result['perplexity_full']:.4f}"
    )


if __name__ == "__main__":
    run(main)
