"""Test the published tables again, and compare what the paper says with them (sec. 4 and 5)."""

import yaml

from stethoscope.published.audit import published_tables
from stethoscope.published.record import Record
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run


def main(inputs, outputs, progress) -> None:
    with open(inputs.checks, encoding="utf-8") as file:
        tables = published_tables(Record.load(inputs), yaml.safe_load(file))
    for name, table in tables.items():
        write_table(outputs[name], table)
    progress(f"{len(tables['checks'])} checks, {len(tables['comparisons'])} comparisons")


if __name__ == "__main__":
    run(main)
