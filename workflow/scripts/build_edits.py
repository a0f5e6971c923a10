"""Build an edit, all its draws at all its alphas: alpha * tau in the selected layers (eq. 3)."""

from pathlib import Path

from stethoscope.edits.build import build_edits
from stethoscope.edits.spec import EditSpec
from stethoscope.names import EditId
from stethoscope.runtime.files import write_json
from stethoscope.runtime.jobs import run


def main(inputs, outputs, params, wildcards, progress) -> None:
    edits, model = [EditId.of(edit) for edit in params.edits], Path(inputs.model).parent
    spec, folder = EditSpec(**params.spec), Path(outputs[0]).parent
    written = build_edits(edits, spec, model, dict(inputs.items()), folder, progress)
    identity = {"seed": int(wildcards.seed), "spec": wildcards.spec}
    write_json(outputs[0], {**identity, "written": written})


if __name__ == "__main__":
    run(main)
