"""Accuracy of each edit and paired comparisons on the same test problems (paper, section 4)."""

from pathlib import Path

import pandas as pd

from stethoscope.comparisons import accuracy, comparisons
from stethoscope.jobs import job
from stethoscope.provenance import read_json, read_jsonl, write_table

with job(snakemake) as progress:
    subjects, target = snakemake.params.subjects, snakemake.params.target
    chosen = [read_json(path) for path in snakemake.input.alphas]
    rows = []
    for path, record in zip(snakemake.input.evaluations, chosen, strict=True):
        for place in read_json(path)["written"]:
            edit, alpha = place.split("/alpha-")
            for subject in subjects:
                for sample in read_jsonl(Path(path).parent / place / f"samples_{subject}.jsonl"):
                    rows.append(
                        {
                            "seed": record["seed"],
                            "edit": edit,
                            "alpha": float(alpha),
                            "subject": subject,
                            "doc_hash": sample["doc_hash"],
                            "correct": sample["math_verify"],
                            "parsed": sample["parsed"],
                            "truncated": sample["truncated"],
                            "n_tokens": sample["n_tokens"],
                        }
                    )
    samples = pd.DataFrame(rows)
    references = [(name, None) for name in snakemake.params.references]
    tables = {
        "accuracy": accuracy(samples, target),
        "comparisons": comparisons(samples, references, target),
        "alphas": pd.DataFrame(
            [
                {
                    "seed": record["seed"],
                    "edit": edit,
                    **tried,
                    "accuracy": tried["correct"] / tried["n"],
                    "chosen": int(tried["alpha"] == grid["chosen"]),
                }
                for record in chosen
                for edit, grid in record["edits"].items()
                for tried in grid["grid"]
            ]
        ),
    }
    for name, table in tables.items():
        write_table(snakemake.output[name], table)
    progress(f"{len(samples)} answers, {len(tables['comparisons'])} comparisons")
