"""Print a study's cost by stage before it runs: jobs, GPU and CPU hours, disk, download.

Dry runs count the jobs, all and those still to run; costs are estimated from the study
(docs/cost.md). The table also has the measured hours of stages that have run.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from stethoscope.planning.plan import jobs_in, measured_hours, plan, to_text
from stethoscope.runtime.jobs import run


def main(params, progress) -> None:
    study, config = params.study, dict(params.study)
    del config["assumptions"]  # added by the check, not a section of a study

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(config, file)
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
