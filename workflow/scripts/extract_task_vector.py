"""Extract the factored task vector of an adapter, checked against the base (paper, section 3)."""

from pathlib import Path

from stethoscope.runtime.files import atomic_path
from stethoscope.runtime.jobs import run
from stethoscope.task_vectors.adapter import extract_task_vector


def main(inputs, outputs, progress) -> None:
    vector = extract_task_vector(Path(inputs.adapter).parent, Path(inputs.model).parent)
    with atomic_path(outputs[0]) as path:
        vector.save(path)
    progress(f"{len(vector.modules)} modules, norm {vector.energy() ** 0.5:.3f}")


if __name__ == "__main__":
    run(main)
