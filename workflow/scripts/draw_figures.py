"""Draw Figures 1 to 9 of the paper from this study's numbers, beside what survives of its own."""

from stethoscope.report.facts import Report, load_sources
from stethoscope.report.figures.figures import FIGURES
from stethoscope.runtime.files import write_text
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, progress) -> None:
    report = Report(load_sources({name: inputs[name] for name in params.rules}, params.rules))
    for name, draw in FIGURES.items():
        write_text(outputs[name], draw(report))
    progress(f"{len(FIGURES)} figures, left out: {', '.join(report.left_out) or 'none'}")


if __name__ == "__main__":
    run(main)
