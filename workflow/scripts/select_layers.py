"""Select the layers to edit (paper, section 3), or each draw of a control."""

from stethoscope.names import SelectionId, selection_name, sets_by_draw
from stethoscope.runtime.files import write_json
from stethoscope.runtime.jobs import run
from stethoscope.selection.select import load_given, selection_record


def main(inputs, outputs, params, wildcards, progress) -> None:
    settings = params.settings
    given = load_given(settings, dict(inputs.items()), params.subjects)
    selection = {"selection": wildcards.selection, **settings}
    selection |= selection_record(params.n_layers, params.draws, given)
    write_json(outputs[0], selection)
    for draw, chosen in sets_by_draw(selection).items():
        name = selection_name(SelectionId(wildcards.selection, draw))
        progress(f"{name}: layers {', '.join(map(str, chosen['layers']))}")


if __name__ == "__main__":
    run(main)
