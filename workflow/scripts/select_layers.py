"""Select the layers to edit (paper, section 3), or a control's, each draw of it."""

from pathlib import Path

import pandas as pd

from stethoscope.edits.weights import read_weights
from stethoscope.names import SelectionId, selection_name, sets_by_draw
from stethoscope.runtime.files import read_json, write_json
from stethoscope.runtime.jobs import job
from stethoscope.selection.selectors import selected
from stethoscope.specificity.scores import ProblemSums
from stethoscope.task_vectors.task_vector import TaskVector

with job(snakemake) as progress:
    described, inputs = snakemake.params.settings, snakemake.input
    # What a setting names is handed to the selector under the name of the setting.
    settings = {key: value for key, value in described.items() if key not in ("sae", "subject")}
    for key in [key for key in ("like", "of", "minus", "within") if key in inputs.keys()]:
        layers = [read_json(path)["layers"] for path in inputs[key]]
        settings[key] = layers if isinstance(described[key], list) else layers[0]
    if isinstance(settings.get("within"), dict):
        settings["within"] = list(
            range(settings["within"]["first"], settings["within"]["last"] + 1)
        )
    for key in [key for key in ("vector", "match_norm_of") if key in inputs.keys()]:
        settings[key] = TaskVector.load(inputs[key])
    if "gains" in inputs.keys():
        settings["gains"] = pd.read_csv(inputs.gains, sep="\t")
        del settings["vector"]  # the gains are those of this vector
    if "table" in inputs.keys():
        settings["table"] = pd.read_csv(inputs.table, sep="\t")
    if "sums" in inputs.keys():
        settings["sums"] = [ProblemSums.load(path) for path in inputs.sums]
        settings["target"] = snakemake.params.subjects.index(described["subject"])
        settings["n_subjects"] = len(snakemake.params.subjects)
    if "model" in inputs.keys():
        modules = list(settings["vector"].modules)
        settings["weights"] = read_weights(Path(inputs.model).parent, modules)
    selection = {"selection": snakemake.wildcards.selection, **described}
    selection |= selected(snakemake.params.n_layers, snakemake.params.draws, settings)
    write_json(snakemake.output[0], selection)
    for draw, found in sets_by_draw(selection).items():
        name = selection_name(SelectionId(snakemake.wildcards.selection, draw))
        progress(f"{name}: layers {', '.join(map(str, found['layers']))}")
