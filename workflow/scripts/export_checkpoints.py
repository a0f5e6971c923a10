"""Export an edit, all its draws at the alphas they chose, as checkpoints (paper, eq. 3)."""

from pathlib import Path

from stethoscope.edits.checkpoint import export_checkpoint, export_summary
from stethoscope.edits.editing import read_edit
from stethoscope.runtime.files import read_json, write_json
from stethoscope.runtime.jobs import job
from stethoscope.study.queries import alpha_name

with job(snakemake) as progress:
    inputs, target = snakemake.input, Path(snakemake.output[0])
    base, edits, written = Path(inputs.model).parent, Path(inputs.edits).parent, {}
    for edit, choice in read_json(inputs.alphas)["edits"].items():
        place = f"{edit}/alpha-{alpha_name(choice['chosen'])}"
        about = {"edit": read_json(edits / place / "edit.json")}
        record = export_checkpoint(base, read_edit(edits / place), target.parent / place, about)
        written[place] = read_json(target.parent / place / "manifest.json")["files"]
        progress(
            "{place}: {tensors} tensors, {landed_energy:.1%} of the energy landed, "
            "{unchanged:.1%} of their entries unchanged".format(
                place=place, **export_summary(record)
            )
        )
    write_json(target, {"family": snakemake.wildcards.family, "written": written})
