"""Write the report: the page, Table 1 as TSV and LaTeX, and where every printed number is from."""

from pathlib import Path

from stethoscope.facts import INPUTS, Report, load_sources
from stethoscope.jobs import job
from stethoscope.provenance import write_json, write_text
from stethoscope.reporting import FIGURE_NAMES, render
from stethoscope.tables import table1_tex, table1_tsv

with job(snakemake) as progress:
    paths = {name: snakemake.input[name] for name in INPUTS}
    report = Report(load_sources(paths, snakemake.params.rules))
    figures = {name: Path(snakemake.input[name]).read_text("utf-8") for name in FIGURE_NAMES}
    style = Path(snakemake.input.style).read_text("utf-8")
    page = render(report, snakemake.input.template, style, figures)
    write_text(snakemake.output.page, page)
    write_text(snakemake.output.table1_tsv, table1_tsv(report))
    write_text(snakemake.output.table1_tex, table1_tex(report))
    write_json(snakemake.output.cells, report.cells.records())
    progress(f"{len(report.cells.records())} numbers")
