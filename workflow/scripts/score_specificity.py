"""Score every feature and every layer for one subject (paper, eqs. 1 and 2)."""

from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.specificity.scores import (
    Scoring,
    feature_scores,
    most_specific_features,
    specificity_table,
)

LISTED_FEATURES = 50


def main(inputs, outputs, params, wildcards, progress) -> None:
    scoring, subjects = Scoring(**params.scoring), params.subjects
    target = subjects.index(wildcards.subject)
    scores = {
        layer: feature_scores(ProblemSums.load(path), target, len(subjects), scoring)
        for layer, path in enumerate(inputs)
    }
    table = specificity_table(scores, scoring.threshold)
    write_table(outputs.table, table)
    write_table(outputs.features, most_specific_features(scores, LISTED_FEATURES))
    progress("SP " + " ".join(f"{sp:.2f}" for sp in table["sp"]))


if __name__ == "__main__":
    run(main)
