"""Compare every layer's specificity with nulls, resampled problems and other choices."""

from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import run
from stethoscope.saes.problem_sums import ProblemSums
from stethoscope.specificity.choice import Choice
from stethoscope.specificity.robustness import robustness
from stethoscope.specificity.scores import Scoring


def main(inputs, outputs, params, wildcards, progress) -> None:
    tables = robustness(
        {layer: ProblemSums.load(path) for layer, path in enumerate(inputs)},
        target=wildcards.subject,
        subjects=params.subjects,
        scoring=Scoring(**params.scoring),
        choice=Choice(**params.choice),
        **params.settings,
    )
    for name in ("layers", "measures", "sensitivity", "profiles"):
        write_table(outputs[name], getattr(tables, name))
    p_values = " ".join(f"{p:.3f}" for p in tables.layers["sp_p"])
    progress(f"permutation p by layer: {p_values}")


if __name__ == "__main__":
    run(main)
