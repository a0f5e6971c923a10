"""Extract the factored task vector of an adapter, checked against the base (paper, section 3)."""

from pathlib import Path

from stethoscope.runtime.files import atomic_path
from stethoscope.runtime.jobs import job
from stethoscope.task_vectors.task_vector import extract_task_vector

with job(snakemake) as progress:
    adapter, model = Path(snakemake.input.adapter).parent, Path(snakemake.input.model).parent
    vector = extract_task_vector(adapter, model)
    with atomic_path(snakemake.output[0]) as path:
        vector.save(path)
    progress(f"{len(vector.modules)} modules, norm {vector.energy() ** 0.5:.3f}")
