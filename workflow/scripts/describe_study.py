"""Write the checked study, and a table that describes the edits of all other tables."""

import pandas as pd

from stethoscope.runtime.files import write_json, write_table
from stethoscope.runtime.jobs import run
from stethoscope.study.queries import edit_table


def main(outputs, params, progress) -> None:
    table = pd.DataFrame(edit_table(params.study), dtype=object)  # a missing draw stays empty
    write_json(outputs.study, params.study)
    write_table(outputs.edits, table)
    progress(f"{len(table)} edits")


if __name__ == "__main__":
    run(main)
