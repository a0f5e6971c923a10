"""Choose alpha of each draw of an edit by its accuracy on validation problems."""

from pathlib import Path

import pandas as pd

from stethoscope.comparisons import choose_alpha
from stethoscope.jobs import job
from stethoscope.provenance import read_json, read_jsonl, write_json

with job(snakemake) as progress:
    source = Path(snakemake.input[0])
    tried: dict[str, list[dict]] = {}
    for place in read_json(source)["written"]:
        folder = source.parent / place
        edit, alpha = place.split("/alpha-")
        rows = [row for path in sorted(folder.glob("samples_*.jsonl")) for row in read_jsonl(path)]
        correct = sum(row["math_verify"] for row in rows)
        tried.setdefault(edit, []).append(
            {"alpha": float(alpha), "n": len(rows), "correct": correct}
        )
    edits = {
        edit: {"grid": grid, "chosen": choose_alpha(pd.DataFrame(grid))}
        for edit, grid in tried.items()
    }
    seed = int(snakemake.wildcards.seed)
    write_json(snakemake.output[0], {"seed": seed, "edits": edits})
    progress(", ".join(f"{edit} {record['chosen']}" for edit, record in edits.items()))
