"""Search one alpha a layer by CMA-ES, with perplexity on validation problems as its fitness."""

from math import exp
from pathlib import Path

import numpy as np

from stethoscope.edits.apply import edited
from stethoscope.models.base import load_model, load_tokenizer
from stethoscope.models.loss import solution_batches, solution_loss
from stethoscope.problems.records import of_subject, read_problems
from stethoscope.runtime.files import write_json, write_table
from stethoscope.runtime.jobs import job
from stethoscope.selection.cma_search import SearchSettings, alpha_columns, keep, search
from stethoscope.task_vectors.task_vector import TaskVector, check_base, scaled

with job(snakemake) as progress:
    settings, n_layers = dict(snakemake.params.settings), snakemake.params.n_layers
    base = Path(snakemake.input.model).parent
    vector = TaskVector.load(snakemake.input.vector)
    check_base(vector, base, snakemake.input.vector)
    about = {key: settings.pop(key) for key in ("vector", "subject", "fitness", "problems")}
    counts = {key: settings.pop(key) for key in ("best", "spread")}
    problems = of_subject(read_problems(snakemake.input.problems), about["subject"])
    model = load_model(base).to(snakemake.params.device)
    batches = solution_batches(load_tokenizer(base), problems[: about["problems"]])

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
    found = {
        "search": snakemake.wildcards.search,
        **about,
        "perplexity_base": perplexity(np.zeros(n_layers)),
        "perplexity_full": perplexity(np.ones(n_layers)),
        "kept": kept,
    }
    write_table(snakemake.output.candidates, candidates)
    write_json(snakemake.output.best, found)
    progress(
        f"perplexity {kept[0]['perplexity']:.4f} to {kept[-1]['perplexity']:.4f}, of the base "
        f"{found['perplexity_base']:.4f}, of the full merge {found['perplexity_full']:.4f}"
    )
