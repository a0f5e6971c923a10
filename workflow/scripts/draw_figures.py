"""Draw Figures 2, 3 and 5: SP by layer, accuracy by subject, energy against effect."""

from stethoscope.facts import INPUTS, Report, load_sources
from stethoscope.figures import FIGURES
from stethoscope.jobs import job
from stethoscope.provenance import write_text

with job(snakemake) as progress:
    paths = {name: snakemake.input[name] for name in INPUTS}
    report = Report(load_sources(paths, snakemake.params.rules))
    for name, draw in FIGURES.items():
        write_text(snakemake.output[name], draw(report))
    progress(", ".join(FIGURES))
