"""Draw Figures 1 to 9 of the paper from this study's numbers, beside what survives of its own."""

from stethoscope.report.facts import Report, load_sources
from stethoscope.report.figures.figures import FIGURES
from stethoscope.runtime.files import write_text
from stethoscope.runtime.jobs import job

with job(snakemake) as progress:
    rules = snakemake.params.rules
    report = Report(load_sources({name: snakemake.input[name] for name in rules}, rules))
    for name, draw in FIGURES.items():
        write_text(snakemake.output[name], draw(report))
    progress(f"{len(FIGURES)} figures, left out: {', '.join(report.left_out) or 'none'}")
