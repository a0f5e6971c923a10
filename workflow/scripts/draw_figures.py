"""Draw Figures 1 to 9 of the paper from this study's numbers, beside what survives of its own."""

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.figures import FIGURES, draw
from stethoscope.runtime.files import write_text
from stethoscope.runtime.jobs import run
from stethoscope.statistics.results import read_table


def main(inputs, outputs, params, progress) -> None:
    frames = {name: read_table(path) for name, path in inputs.items()}
    left_out = dict(frames.pop("left_out")[["item", "reason"]].itertuples(index=False))
    for name in FIGURES:
        svg = draw(name, frames, SUBJECTS[params.target], left_out.get(name))
        write_text(outputs[name], svg)
    absent = ", ".join(name for name in FIGURES if name in left_out)
    progress(f"{len(FIGURES)} figures, left out: {absent or 'none'}")


if __name__ == "__main__":
    run(main)
