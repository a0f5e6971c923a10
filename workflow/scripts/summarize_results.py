"""Compute what the report prints: a table for each of its own, and the numbers of its sentences."""

from stethoscope.runtime.files import read_json
from stethoscope.runtime.jobs import run
from stethoscope.statistics.results import Results, read_table
from stethoscope.statistics.summaries import write_summaries


def main(inputs, outputs, progress) -> None:
    paths = dict(inputs.items())
    study = read_json(paths.pop("study"))
    results = Results({name: read_table(path) for name, path in paths.items()}, study)
    write_summaries(results, dict(outputs.items()))
    progress(f"{len(outputs)} tables")


if __name__ == "__main__":
    run(main)
