"""Fetch MATH and split it: its test set as it is, the rest drawn from its training set."""

from stethoscope.problems.math_data import math_digest, read_math, split_math
from stethoscope.problems.records import write_problems
from stethoscope.runtime.fetch import MATH_FILES, Source, fetch
from stethoscope.runtime.files import atomic_path
from stethoscope.runtime.jobs import run


def main(outputs, params, progress) -> None:
    settings = params.settings
    location = {key: settings[key] for key in ("path", "hub", "revision") if key in settings}
    source = Source(**location, kind="dataset")
    problems = read_math(fetch(source, MATH_FILES))
    if (digest := math_digest(problems)) != settings["sha256"]:
        counts = ", ".join(f"{len(part)} {split}" for split, part in problems.items())
        raise ValueError(
            f"{source}: sha256 of its problems ({counts}) is {digest}, "
            f"data.math.sha256 expects {settings['sha256']}"
        )
    splits = split_math(problems, params.sizes, settings["seed"])
    for split, records in splits.items():
        with atomic_path(outputs[split]) as path:
            write_problems(path, records)
    progress(", ".join(f"{len(records)} {split}" for split, records in splits.items()))


if __name__ == "__main__":
    run(main)
