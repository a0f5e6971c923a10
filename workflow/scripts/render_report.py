"""Write the report: the page, Tables 1 to 6 as TSV and LaTeX, and where each number is from."""

from pathlib import Path

from stethoscope.report.numbers import Numbers
from stethoscope.report.render import FIGURE_NAMES, load_sources, render, table_files
from stethoscope.runtime.files import write_json, write_text
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, progress) -> None:
    numbers = Numbers(load_sources({name: inputs[name] for name in params.rules}, params.rules))
    figures = {name: Path(inputs[name]).read_text("utf-8") for name in FIGURE_NAMES}
    style = Path(inputs.style).read_text("utf-8")
    write_text(outputs.page, render(numbers, inputs.template, style, figures))
    for name, text in table_files(numbers, inputs.template).items():
        write_text(outputs[name.replace(".", "_")], text)
    write_json(outputs.cells, numbers.records())
    progress(f"{len(numbers.records())} numbers")


if __name__ == "__main__":
    run(main)
