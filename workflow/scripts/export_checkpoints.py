"""Export an edit, all its draws at their chosen alphas, as checkpoints (paper, eq. 3)."""

from dataclasses import asdict
from pathlib import Path

from stethoscope.edits.checkpoint import export_checkpoint, export_summary
from stethoscope.edits.files import read_edit
from stethoscope.evaluation.alpha_choice import chosen_edits
from stethoscope.names import edit_folder
from stethoscope.runtime.files import MANIFEST, read_json, write_json
from stethoscope.runtime.jobs import run


def main(inputs, outputs, wildcards, progress) -> None:
    base, edits, target = Path(inputs.model).parent, Path(inputs.edits).parent, Path(outputs[0])
    written = {}
    for edit in chosen_edits(read_json(inputs.alphas)["edits"]):
        name = edit_folder(edit)
        description = {"edit": read_json(edits / name / "edit.json")}
        folder = target.parent / name
        record = export_checkpoint(base, read_edit(edits / name), folder, description)
        files = read_json(folder / MANIFEST)["files"]
        written[name] = {**asdict(edit), "files": files}
        progress(
            "{name}: {tensors} tensors, {landed_energy:.1%} of the energy landed, "
            "{unchanged:.1%} of their entries unchanged".format(name=name, **export_summary(record))
        )
    identity = {"seed": int(wildcards.seed), "spec": wildcards.spec}
    write_json(target, {**identity, "written": written})


if __name__ == "__main__":
    run(main)
