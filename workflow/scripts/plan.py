"""Print what a study costs before it runs: jobs, GPU and CPU hours, disk, download, by stage.

The jobs are those that dry runs count, all of them and the ones still to run; the rest is estimated
from the study (docs/cost.md). Where a stage has run, what it took stands beside it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from stethoscope.planning.plan import jobs_in, measured_hours, plan, to_text
from stethoscope.runtime.jobs import run


def main(params, progress) -> None:
    study, stated = params.study, dict(params.study)
    del stated["assumptions"]  # what the check wrote down, not a section of a study

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(stated, file)
        file.flush()

        def dry_run(*arguments: str) -> dict[str, int]:
            """Jobs that a dry run of the very same study counts, by rule."""
            call = [sys.executable, "-m", "snakemake", "-s", params.snakefile, "-n"]
            call += [*arguments, "--nolock", "--configfile", file.name]
            done = subprocess.run(call, capture_output=True, text=True)
            if done.returncode:
                raise ValueError(f"a dry run failed: {done.stdout}{done.stderr}")
            return jobs_in(done.stdout + done.stderr)

        counts, left = dry_run("--forceall"), dry_run()

    benchmarks = Path("results") / study["study"]["name"] / "benchmarks"
    print(to_text(study, plan(study, counts, left, measured_hours(benchmarks))))
    progress(f"{sum(counts.values())} jobs, {sum(left.values())} of them still to run")


if __name__ == "__main__":
    run(main)
