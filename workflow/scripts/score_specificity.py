"""Score every feature and every layer for one subject (paper, eqs. 1 and 2)."""

from stethoscope.jobs import job
from stethoscope.provenance import atomic_path
from stethoscope.specificity import (
    ProblemSums,
    feature_scores,
    most_specific_features,
    specificity_table,
)

LISTED_FEATURES = 50

with job(snakemake) as progress:
    settings, subjects = snakemake.params.settings, snakemake.params.subjects
    scores = {
        layer: feature_scores(
            ProblemSums.load(path),
            target=subjects.index(snakemake.wildcards.subject),
            n_subjects=len(subjects),
            epsilon=settings["epsilon"],
            unit=settings["unit"],
            smoothing_quantile=settings["smoothing_quantile"],
        )
        for layer, path in enumerate(snakemake.input)
    }
    table = specificity_table(scores, settings["threshold"])
    with atomic_path(snakemake.output.table) as path:
        table.to_csv(path, sep="\t", index=False)
    with atomic_path(snakemake.output.features) as path:
        most_specific_features(scores, LISTED_FEATURES).to_csv(path, sep="\t", index=False)
    progress("SP " + " ".join(f"{sp:.2f}" for sp in table["sp"]))
