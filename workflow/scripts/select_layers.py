"""Select the layers to edit (paper, section 3), or a control's, each draw of it."""

from stethoscope.names import SelectionId, selection_name, sets_by_draw
from stethoscope.runtime.files import write_json
from stethoscope.runtime.jobs import job
from stethoscope.selection.select import load_given, selection_record

with job(snakemake) as progress:
    params, settings = snakemake.params, snakemake.params.settings
    given = load_given(settings, dict(snakemake.input.items()), params.subjects)
    selection = {"selection": snakemake.wildcards.selection, **settings}
    selection |= selection_record(params.n_layers, params.draws, given)
    write_json(snakemake.output[0], selection)
    for draw, chosen in sets_by_draw(selection).items():
        name = selection_name(SelectionId(snakemake.wildcards.selection, draw))
        progress(f"{name}: layers {', '.join(map(str, chosen['layers']))}")
