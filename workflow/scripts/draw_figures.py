"""Draw Figures 1 to 9 of the paper from this study's numbers, beside what survives of its own."""

from stethoscope.facts import INPUTS, OPTIONAL, Report, load_sources
from stethoscope.figures import FIGURES
from stethoscope.jobs import job
from stethoscope.provenance import write_text

with job(snakemake) as progress:
    names = [name for name in (*INPUTS, *OPTIONAL) if name in snakemake.input.keys()]
    paths = {name: snakemake.input[name] for name in names}
    report = Report(load_sources(paths, snakemake.params.rules))
    for name, draw in FIGURES.items():
        write_text(snakemake.output[name], draw(report))
    progress(f"{len(FIGURES)} figures, left out: {', '.join(report.left_out) or 'none'}")
