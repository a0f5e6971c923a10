"""Every selection of layers beside ours: layers, scores, and what the scores go with."""

from itertools import product

from stethoscope.names import SelectionId, selection_name, sets_by_draw
from stethoscope.runtime.files import read_json, write_table
from stethoscope.runtime.jobs import run
from stethoscope.statistics.selectors import layers_table, selectors_table


def main(inputs, outputs, params, progress) -> None:
    selections = []
    for (name, seed), path in zip(product(params.selections, params.seeds), inputs, strict=True):
        selection = read_json(path)
        for draw, chosen in sets_by_draw(selection).items():
            about = {"seed": seed, "selection": selection_name(SelectionId(name, draw))}
            selections.append({**chosen, **about, "by": selection["by"]})
    write_table(outputs.layers, layers_table(selections, params.n_layers))
    write_table(outputs.selectors, selectors_table(selections, params.ours))
    progress(f"{len(selections)} selections")


if __name__ == "__main__":
    run(main)
