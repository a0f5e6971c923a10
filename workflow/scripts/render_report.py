"""Write the report: the page, Tables 1 to 6 as TSV and LaTeX, and where each number is from."""

from pathlib import Path

from stethoscope.report.facts import Report, load_sources
from stethoscope.report.render import FIGURE_NAMES, render, table_files
from stethoscope.runtime.files import write_json, write_text
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, progress) -> None:
    rules = params.rules
    report = Report(load_sources({name: inputs[name] for name in rules}, rules))
    figures = {name: Path(inputs[name]).read_text("utf-8") for name in FIGURE_NAMES}
    style = Path(inputs.style).read_text("utf-8")
    page = render(report, inputs.template, style, figures)
    write_text(outputs.page, page)
    for name, text in table_files(report, inputs.template).items():
        write_text(outputs[name.replace(".", "_")], text)
    write_json(outputs.cells, report.records())
    progress(f"{len(report.records())} numbers")


if __name__ == "__main__":
    run(main)
