"""Score every feature and every layer for one subject (paper, eqs. 1 and 2)."""

from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.specificity.scores import (
    Scoring,
    feature_scores,
    most_specific_features,
    specificity_table,
)

LISTED_FEATURES = 50

with job(snakemake) as progress:
    scoring, subjects = Scoring(**snakemake.params.scoring), snakemake.params.subjects
    target = subjects.index(snakemake.wildcards.subject)
    scores = {
        layer: feature_scores(ProblemSums.load(path), target, len(subjects), scoring)
        for layer, path in enumerate(snakemake.input)
    }
    table = specificity_table(scores, scoring.threshold)
    write_table(snakemake.output.table, table)
    write_table(snakemake.output.features, most_specific_features(scores, LISTED_FEATURES))
    progress("SP " + " ".join(f"{sp:.2f}" for sp in table["sp"]))
