"""Correlate perplexity of a search with accuracy (paper, appendix D and Figure 9)."""

from pathlib import Path

from stethoscope.names import EditId, edit_name, samples_file
from stethoscope.runtime.files import read_json, read_jsonl, write_table
from stethoscope.runtime.jobs import run
from stethoscope.statistics.correlations import correlations_table, search_table


def main(inputs, outputs, progress) -> None:
    rows = []
    for kept, *evaluations in zip(inputs.kept, inputs.validation, inputs.test, strict=True):
        search, accuracies = read_json(kept), {}
        for split, path in zip(("validation", "test"), evaluations, strict=True):
            evaluation = read_json(path)
            for folder, record in evaluation["written"].items():
                answers = read_jsonl(Path(path).parent / folder / samples_file(search["subject"]))
                correct = sum(answer["math_verify"] for answer in answers)
                row = accuracies.setdefault(record["draw"], {"edit": EditId.of(record)})
                row[f"n_{split}"] = len(answers)
                row[f"accuracy_{split}"] = correct / len(answers)
        for draw, configuration in enumerate(search["kept"], start=1):
            identity = {"seed": evaluation["seed"], "search": search["search"]}
            measured = accuracies[draw] | {"edit": edit_name(accuracies[draw]["edit"])}
            rows.append({**identity, "perplexity": configuration["perplexity"], **measured})
    table = search_table(rows)
    write_table(outputs.configurations, table)
    write_table(outputs.correlations, correlations_table(table))
    progress(f"{len(table)} configurations")


if __name__ == "__main__":
    run(main)
