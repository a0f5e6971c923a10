"""Gains corrected for all edits, and losses that are excluded (paper, section 4 and Table 1)."""

from stethoscope.evaluation.answers import read_answers
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run
from stethoscope.statistics.multiplicity import families_table, losses_table


def main(inputs, outputs, params, progress) -> None:
    settings, target = params.settings, params.target
    samples = read_answers(inputs.evaluations, params.subjects)
    families = families_table(samples, target, **settings["sign_flip"])
    losses = losses_table(samples, target, settings["margin"], **settings["bootstrap"])
    write_table(outputs.families, families)
    write_table(outputs.noninferiority, losses)
    small = families[(families["p_max"] < 0.05) & (families["subject"] == target)]
    progress(f"{len(small)} gains or losses on the target at corrected p < .05")


if __name__ == "__main__":
    run(main)
