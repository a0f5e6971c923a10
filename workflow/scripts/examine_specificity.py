"""Hold every layer's specificity against nulls, resampled problems and other choices."""

from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.specificity.robustness import Choice, Scoring, examine

with job(snakemake) as progress:
    scoring = snakemake.params.scoring
    found = examine(
        {layer: ProblemSums.load(path) for layer, path in enumerate(snakemake.input)},
        target=snakemake.wildcards.subject,
        subjects=snakemake.params.subjects,
        scoring=Scoring(scoring["epsilon"], scoring["unit"], scoring["smoothing_quantile"]),
        choice=Choice(**snakemake.params.choice),
        **snakemake.params.settings,
    )
    for name in ("layers", "measures", "sensitivity", "profiles"):
        write_table(snakemake.output[name], getattr(found, name))
    p_values = " ".join(f"{p:.3f}" for p in found.layers["sp_p"])
    progress(f"permutation p by layer: {p_values}")
