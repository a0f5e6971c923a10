"""Does a search's perplexity go with accuracy? (paper, appendix D and Figure 9)"""

from pathlib import Path

from stethoscope.runtime.files import read_json, read_jsonl, write_table
from stethoscope.runtime.jobs import job, seed_of
from stethoscope.statistics.correlations import correlations_table, search_table

with job(snakemake) as progress:
    inputs, rows = snakemake.input, []
    for kept, *evaluations in zip(inputs.kept, inputs.validation, inputs.test, strict=True):
        found = read_json(kept)
        for number, configuration in enumerate(found["kept"], start=1):
            edit = f"{Path(evaluations[0]).stem}-{number}"
            row = {
                "seed": seed_of(kept),
                "search": found["search"],
                "edit": edit,
                "perplexity": configuration["perplexity"],
            }
            for split, path in zip(("validation", "test"), evaluations, strict=True):
                folder = Path(path).parent / edit / "alpha-1.0"
                answers = read_jsonl(folder / f"samples_{found['subject']}.jsonl")
                row[f"n_{split}"] = len(answers)
                correct = sum(answer["math_verify"] for answer in answers)
                row[f"accuracy_{split}"] = correct / len(answers)
            rows.append(row)
    table = search_table(rows)
    write_table(snakemake.output.configurations, table)
    write_table(snakemake.output.correlations, correlations_table(table))
    progress(f"{len(table)} configurations")
