"""Generate the synthetic maths corpus of a study: disjoint splits in MATH's record layout."""

from stethoscope.problems.records import write_problems
from stethoscope.problems.synthetic.corpus import generate_splits
from stethoscope.runtime.files import atomic_path
from stethoscope.runtime.jobs import run


def main(outputs, params, progress) -> None:
    settings, subjects = params.settings, params.subjects
    sizes = {
        split: {subject: size.get("except", {}).get(subject, size["each"]) for subject in subjects}
        for split, size in settings["splits"].items()
    }
    splits = generate_splits(settings["seed"], sizes, settings["families"])
    for split, problems in splits.items():
        with atomic_path(outputs[split]) as path:
            write_problems(path, problems)
    progress(", ".join(f"{len(problems)} {split}" for split, problems in splits.items()))


if __name__ == "__main__":
    run(main)
