"""Select the layers to edit (paper, section 3), or a control's, each draw of it."""

from stethoscope.runtime.files import write_json
from stethoscope.runtime.jobs import job
from stethoscope.selection.select import load_given, selection_record
from stethoscope.study.queries import concrete_selections

with job(snakemake) as progress:
    params, settings = snakemake.params, snakemake.params.settings
    given = load_given(settings, dict(snakemake.input.items()), params.subjects)
    selection = {"selection": snakemake.wildcards.selection, **settings}
    selection |= selection_record(params.n_layers, params.draws, given)
    write_json(snakemake.output[0], selection)
    for name, chosen in concrete_selections(selection).items():
        progress(f"{name}: layers {', '.join(map(str, chosen['layers']))}")
