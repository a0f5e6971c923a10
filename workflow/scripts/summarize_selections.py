"""Compare every selection with ours: layers, scores, and correlations of the scores."""

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
            identity = {"seed": seed, "selection": selection_name(SelectionId(name, draw))}
            selections.append({**chosen, **identity, "by": selection["by"]})
    write_table(outputs.layers, layers_table(selections, params.n_layers))
    write_table(outputs.selectors, selectors_table(selections, params.ours))
    progress(f"{len(selections)} selections")


if __name__ == "__main__":
    run(main)
