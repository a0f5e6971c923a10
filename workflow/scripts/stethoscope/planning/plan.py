"""A study's cost by stage: the jobs that a dry run counts, times the estimated cost of each."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stethoscope.planning.cost import GB, Cost, estimate, jobs

STAGES = {
    "fetch": ("fetch_*",),
    "data": ("generate_data",),
    "model": ("pretrain_model",),
    "SAEs": ("train_saes",),
    "task vectors": ("train_adapter", "extract_task_vector"),
    "specificity": (
        "sum_activations",
        "sum_control_activations",
        "score_specificity",
        "examine_specificity",
    ),
    "gains and searches": ("measure_gains", "search_alphas"),
    "selections and edits": ("select_layers", "build_edits"),
    "evaluation": ("evaluate_edits", "evaluate_again"),
    "statistics and report": ("*",),
}
HOUR = 3600
COLUMNS = ("jobs", "left", "GPU h", "CPU h", "disk GB", "download GB", "measured h")


@dataclass(frozen=True)
class Line:
    """One stage of a plan: its jobs, those that are left to run, and the cost of all of them.

    measured: hours of the jobs that have run, or None.
    """

    stage: str
    jobs: int
    left: int
    cost: Cost
    cost_left: Cost
    measured: float | None = None


def plan(
    study: Mapping,
    counts: Mapping[str, int],
    left: Mapping[str, int],
    measured: Mapping[str, float] | None = None,
) -> list[Line]:
    """Cost of a study by stage, in the order in which they run.

    counts, left: jobs of each rule in all, and those still to run. measured: hours by rule.
    """
    known, measured = jobs(study), measured or {}
    lines = []
    for stage in STAGES:
        rules = [rule for rule in counts if stage_of(rule) == stage]
        if not rules:
            continue
        whole = rest = Cost()
        for rule in rules:
            variants = known.get(rule) or [{}]
            total = Cost()
            for names in variants:
                total += estimate(study, rule, names)
            whole += total.times(counts[rule] / len(variants))
            rest += total.times(left.get(rule, 0) / len(variants))
        n_jobs, n_left = (sum(n.get(rule, 0) for rule in rules) for n in (counts, left))
        hours = [measured[rule] for rule in rules if rule in measured]
        lines.append(Line(stage, n_jobs, n_left, whole, rest, sum(hours) if hours else None))
    return lines


def stage_of(rule: str) -> str:
    """The stage that a rule belongs to."""

    def matches(pattern: str) -> bool:
        return rule == pattern or (pattern[-1] == "*" and rule.startswith(pattern[:-1]))

    return next(stage for stage, patterns in STAGES.items() if any(map(matches, patterns)))


def jobs_in(dry_run: str) -> dict[str, int]:
    """Jobs by rule in the table that a dry run prints; none if no job is left."""
    _, _, table = dry_run.partition("Job stats:")
    rows = (line.split() for line in table.splitlines())
    counted = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
    return {rule: count for rule, count in counted.items() if rule not in ("total", "all")}


def measured_hours(benchmarks: str | Path) -> dict[str, float]:
    """Wall hours of the jobs that have run, by rule, from Snakemake's benchmark files."""
    folder, hours = Path(benchmarks), {}
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        hours[rule] = hours.get(rule, 0.0) + sum(float(row["s"]) for row in rows) / HOUR
    return hours


def to_text(study: Mapping, lines: list[Line]) -> str:
    """The plan as a table for the terminal; below it the cost that is left and the largest job."""
    took = [line.measured for line in lines if line.measured is not None]
    whole = Line(
        "total",
        sum(line.jobs for line in lines),
        sum(line.left for line in lines),
        sum((line.cost for line in lines), Cost()),
        sum((line.cost_left for line in lines), Cost()),
        sum(took) if took else None,
    )
    left, seeds = whole.cost_left, len(study["seeds"])
    width = max(len(line.stage) for line in lines)
    return "\n".join(
        [
            f"{study['study']['name']}: {seeds} {'seed' if seeds == 1 else 'seeds'}, estimated",
            " " * width + "".join(f"{name:>13}" for name in COLUMNS),
            *(_row(line, width) for line in (*lines, whole)),
            f"still to run: {left.gpu / HOUR:.2f} GPU h, {left.cpu / HOUR:.2f} CPU h, "
            f"{left.disk / GB:.2f} GB of disk, {left.download / GB:.2f} GB of download",
            f"the largest job holds {whole.cost.memory / GB:.1f} GB; docs/cost.md says why",
        ]
    )


def _row(line: Line, width: int) -> str:
    cost = line.cost
    amounts = (cost.gpu / HOUR, cost.cpu / HOUR, cost.disk / GB, cost.download / GB)
    hours = "-" if line.measured is None else f"{line.measured:.2f}"
    numbers = f"{line.jobs:13}{line.left:13}" + "".join(f"{amount:13.2f}" for amount in amounts)
    return f"{line.stage:{width}}{numbers}{hours:>13}"
