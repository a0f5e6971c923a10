"""Draw Figures 1 to 9 of the paper from this study's numbers, beside what survives of its own."""

from stethoscope.facts import INPUTS, Report, load_sources
from stethoscope.figures import FIGURES
from stethoscope.jobs import job
from stethoscope.provenance import write_text

with job(snakemake) as progress:
    paths = {name: snakemake.input[name] for name in INPUTS}
    report = Report(load_sources(paths, snakemake.params.rules))
    for name, draw in FIGURES.items():
        write_text(snakemake.output[name], draw(report))
    progress(f"{len(FIGURES)} figures, left out: {', '.join(report.left_out) or 'none'}")
