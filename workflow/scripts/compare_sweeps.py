"""Every alpha on the test problems, and the apparent gain of choosing alpha there (Table 4)."""

from stethoscope.evaluation.answers import read_answers
from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run
from stethoscope.statistics.sweeps import optimism_table, sweep_table


def main(inputs, outputs, params, progress) -> None:
    choose_on = params.choose_on
    subjects, bootstrap = params.subjects, params.bootstrap
    chosen = {
        (record["seed"], edit): choice["chosen"]
        for record in map(read_json, inputs.alphas)
        for edit, choice in record["edits"].items()
    }
    sweep = read_answers(inputs.sweeps, subjects)
    base, test = read_answers(inputs.base, subjects), read_answers(inputs.test, subjects)
    validation = read_answers(inputs.validation, choose_on)
    table = sweep_table(sweep, base, chosen, choose_on, params.target)
    optimism = optimism_table(sweep, validation, test, chosen, choose_on, **bootstrap)
    write_table(outputs.sweep, table)
    write_table(outputs.optimism, optimism)
    progress(f"{len(chosen)} swept, {len(sweep)} answers")


if __name__ == "__main__":
    run(main)
