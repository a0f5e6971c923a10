"""Write the report: the page, Tables 1 to 6 as TSV and LaTeX, and where each number is from."""

from pathlib import Path

from stethoscope.report.facts import Report, load_sources
from stethoscope.report.render import FIGURE_NAMES, render, table_files
from stethoscope.runtime.files import write_json, write_text
from stethoscope.runtime.jobs import job

with job(snakemake) as progress:
    rules = snakemake.params.rules
    report = Report(load_sources({name: snakemake.input[name] for name in rules}, rules))
    figures = {name: Path(snakemake.input[name]).read_text("utf-8") for name in FIGURE_NAMES}
    style = Path(snakemake.input.style).read_text("utf-8")
    page = render(report, snakemake.input.template, style, figures)
    write_text(snakemake.output.page, page)
    for name, text in table_files(report, snakemake.input.template).items():
        write_text(snakemake.output[name.replace(".", "_")], text)
    write_json(snakemake.output.cells, report.records())
    progress(f"{len(report.records())} numbers")
