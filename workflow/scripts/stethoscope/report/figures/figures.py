"""The paper's figures as SVG text: here 2, 3 and 5, and under `FIGURES` all of them.

Each function takes the `Report` and draws published beside reproduced; see `drawing` for what
they share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.facts import ENERGY_CLAIMS, PUBLISHED_METHOD, Edit, Report
from stethoscope.report.figures.configurations import figure4, figure8
from stethoscope.report.figures.drawing import (
    COLOURS,
    INK,
    NULL,
    PALE,
    STYLE,
    counts,
    first_number,
    number,
    published_accuracy,
    svg_text,
)
from stethoscope.report.figures.schematic import figure1
from stethoscope.report.figures.sweep import figure6, figure7, figure9
from stethoscope.statistics.tests import wilson_interval

PUBLISHED_THRESHOLD = 4.0  # SP of the paper's main selection (claim C11)
OTHER_MARKERS = ("s", "^", "v", "P", "X", "<", ">", "p")  # one a further edit of Figure 5
# Figure 5: factor between neighbours of the same energy, and between the outermost ones
SPREAD, WIDEST = 1.09, 1.7


def figure2(report: Report) -> str:
    """SP of the target by layer, one panel a seed, and the published profile (Table 6)."""
    with rc_context(STYLE):
        panels = len(report.seeds) + 1
        rows = math.ceil(panels / 2)
        figure = Figure(figsize=(7.6, 2.7 * rows), layout="constrained")
        flat = list(figure.subplots(rows, 2, squeeze=False).flat)
        for axis, seed in zip(flat, report.seeds, strict=False):
            _reproduced_profile(axis, report, seed)
        _published_profile(flat[panels - 1], report)
        for axis in flat[panels:]:
            axis.set_axis_off()
        return svg_text(figure, "figure2")


def _reproduced_profile(axis: Axes, report: Report, seed: str) -> None:
    table = report.source("specificity")
    sae = report.scored_sae()
    rows = [table.rows[i] for i in table.find(seed=seed, sae=sae, subject=report.target)]
    rows.sort(key=lambda row: int(row["layer"]))
    layers = [int(row["layer"]) for row in rows]
    selected = [row["selected"] in ("1", "True") for row in rows]
    colours = [COLOURS["ours"] if chosen else PALE for chosen in selected]
    axis.bar(layers, [number(row["sp"]) for row in rows], 0.72, color=colours)
    smooth = [number(row["sp_smooth"]) for row in rows]
    axis.plot(layers, smooth, color=INK, linewidth=0.9, marker="o", markersize=2.8)
    examined = report.source("sp_stability")
    null = {
        int(row["layer"]): number(row["sp_null_95"])
        for row in (
            examined.rows[i] for i in examined.find(seed=seed, sae=sae, subject=report.target)
        )
    }
    for layer, bound in null.items():
        axis.plot([layer - 0.42, layer + 0.42], [bound] * 2, color=NULL, linewidth=1.1)
    axis.set_xticks(layers if len(layers) <= 18 else layers[::2])
    axis.set_xlabel("layer")
    axis.set_ylabel("SP")
    name = SUBJECTS[report.target].type
    title = f"Reproduced, {name}" + (f", seed {seed}" if len(report.seeds) > 1 else "")
    axis.set_title(title)
    handles = [
        Patch(color=COLOURS["ours"]),
        Patch(color=PALE),
        Line2D([], [], color=INK, linewidth=0.9, marker="o", markersize=2.8),
        Line2D([], [], color=NULL, linewidth=1.1),
    ]
    _legend(axis, handles, ["selected", "not selected", "smoothed", "95 % of null"])


def _published_profile(axis: Axes, report: Report) -> None:
    table = report.source("table6")
    listed = {int(row["layer"]): row for row in table.rows}
    _, total = report.published_layers()
    depth = {layer: layer / (total - 1) for layer in range(total)}
    colours = [
        COLOURS["ours"] if row["selected_sp_ge_4"] == "1" else PALE for row in listed.values()
    ]
    axis.bar(
        [depth[layer] for layer in listed],
        [number(row["sp"]) for row in listed.values()],
        0.72 / (total - 1),
        color=colours,
    )
    missing = [depth[layer] for layer in range(total) if layer not in listed]
    axis.plot(missing, [0.12] * len(missing), "x", color=INK, markersize=3, markeredgewidth=0.6)
    axis.axhline(PUBLISHED_THRESHOLD, color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
    axis.set_xlim(-0.03, 1.03)
    axis.set_xlabel("relative depth")
    axis.set_ylabel("SP")
    axis.set_title("Published, Gemma-3-4B-IT (Table 6)")
    handles = [
        Line2D([], [], color=INK, linewidth=0.7, linestyle=(0, (4, 3))),
        Line2D([], [], color=INK, marker="x", linestyle="", markersize=3, markeredgewidth=0.6),
    ]
    _legend(axis, handles, ["threshold 4.0", "layer not listed"])


def figure3(report: Report) -> str:
    """Accuracy by subject: the published panel above the reproduced one."""
    roles = [role for role in ("base", "full", "projection", "ours") if report.one(role)]
    subjects = report.subjects
    width = 0.8 / len(roles)
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 5.0), layout="constrained")
        above, below = figure.subplots(2, 1)
        published = report.source("table1")
        for slot, role in enumerate(roles):
            edit = report.one(role)
            shift = (slot - (len(roles) - 1) / 2) * width
            places = [index + shift for index in range(len(subjects))]
            row = published.rows[published.only(method=PUBLISHED_METHOD[role])]
            values = [number(row[f"{SUBJECTS[subject].short}_acc_pct"]) for subject in subjects]
            above.bar(places, values, width * 0.92, color=COLOURS[role], label=edit.label)
            found = [counts(report, edit, subject) for subject in subjects]
            values = [100 * correct / n for correct, n in found]
            bounds = [wilson_interval(correct, n) for correct, n in found]
            below.bar(places, values, width * 0.92, color=COLOURS[role])
            errors = [
                [value - 100 * low for value, (low, _) in zip(values, bounds, strict=True)],
                [100 * high - value for value, (_, high) in zip(values, bounds, strict=True)],
            ]
            below.errorbar(
                places, values, errors, fmt="none", ecolor=INK, elinewidth=0.6, capsize=1.5,
                capthick=0.6,
            )  # fmt: skip
        _random_range(below, report)
        for axis, title in ((above, "Published, Gemma-3-4B-IT"), (below, "Reproduced")):
            axis.set_xticks(range(len(subjects)), [SUBJECTS[s].short for s in subjects])
            axis.tick_params(axis="x", length=0)
            axis.set_ylim(bottom=0)
            axis.set_ylabel("accuracy (%)")
            axis.set_title(title)
        handles, labels = above.get_legend_handles_labels()
        if report.of("random"):
            style = {"color": COLOURS["random"], "linewidth": 2, "marker": "D", "markersize": 3}
            handles.append(Line2D([], [], **style))
            labels.append(f"{report.one('random').label}: mean and range")
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return svg_text(figure, "figure3")


def _random_range(axis: Axes, report: Report) -> None:
    """Lowest to highest draw and their mean, at the right edge of each group."""
    for index, subject in enumerate(report.subjects):
        found = [counts(report, edit, subject) for edit in report.of("random")]
        if found:
            values = [100 * correct / n for correct, n in found]
            place = index + 0.45
            axis.vlines(place, min(values), max(values), COLOURS["random"], linewidth=2)
            mean = sum(values) / len(values)
            axis.plot(place, mean, "D", color=COLOURS["random"], markersize=3)


def figure5(report: Report) -> str:
    """Energy that an edit keeps against its effect on the target, with the published marks."""
    base, seed = report.one("base"), report.seeds[0]
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.5), layout="constrained")
        axis = figure.subplots()
        points = [*_points(report, base, seed), *_published_points(report)]
        for place, point in _side_by_side(points):
            _draw_point(axis, place, point)
        _energy_only(axis, report, seed)
        handles = _chance_lines(axis, report, seed)
        axis.axhline(0, color=INK, linewidth=0.6)
        axis.set_xscale("log")
        low, high = axis.get_xlim()
        axis.set_xlim(low / 1.3, high * 1.2)
        ticks = [t for t in (0.1, 0.3, 1, 3, 10, 30, 100) if low / 1.3 <= t <= high * 1.2]
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.set_xlabel("energy retained within the edited layers (%, logarithmic)")
        axis.set_ylabel(f"{SUBJECTS[report.target].short}: difference from base (points)")
        marks, labels = axis.get_legend_handles_labels()
        named = dict(zip(labels, marks, strict=True))  # draws share a label: one entry
        named |= {handle.get_label(): handle for handle in handles}
        figure.legend(named.values(), named.keys(), loc="outside right upper")
        return svg_text(figure, "figure5")


@dataclass(frozen=True)
class Point:
    """A point of Figure 5: energy kept in percent, effect and its interval in points."""

    kept: float
    effect: float
    interval: tuple[float, float] | None
    role: str
    label: str
    small: bool = False
    marker: str = "o"


def _points(report: Report, base: Edit, seed: str) -> Iterator[Point]:
    energy = report.source("energy")
    merged = {edit.family for edit, _ in report.merges()}  # what they keep is not of one vector
    projections = {edit for edit, _ in report.projections() if edit.family not in merged}
    others = [edit for edit in report.of("other") if edit in projections]
    families = dict.fromkeys(edit.family for edit in others)
    markers = dict(zip(families, OTHER_MARKERS * len(families), strict=False))
    for edit in report.edits:
        shown = edit in others or edit.role not in ("control", "other")
        row = report.energy_row(edit, seed) if shown else None
        paired = report.paired(edit, base, report.target) if row is not None else None
        kept = 100 * number(energy.rows[row]["energy_retained"]) if paired else 0
        if kept > 0:  # zero has no place on a logarithmic axis
            effect, low, high = (
                100 * c.value for c in (paired.difference, paired.low, paired.high)
            )
            marker = markers.get(edit.family, "o")
            yield Point(kept, effect, (low, high), edit.role, edit.label, bool(edit.draw), marker)


def _energy_only(axis: Axes, report: Report, seed: str) -> None:
    """Edits that answered no problems: a tick at the foot, where their energy is."""
    energy = report.source("energy")
    kept = [
        100 * number(energy.rows[report.energy_row(edit, seed)]["energy_retained"])
        for edit, settings in report.projections()
        if edit in report.unevaluated and settings["transform"] == "project"
    ]
    if kept:
        style = {"color": INK, "markersize": 7, "linestyle": "", "label": "controls, energy only"}
        foot = [0.03] * len(kept)
        axis.plot(kept, foot, "|", transform=axis.get_xaxis_transform(), **style)


def _published_points(report: Report) -> Iterator[Point]:
    """The two points that the record still gives: energy from the text, effect from Table 1."""
    claims = report.source("text_claims")
    discarded, preserved = (
        first_number(claims.rows[claims.only(claim_id=claim)]["value"]) for claim in ENERGY_CLAIMS
    )
    accuracy = published_accuracy(report)
    base = accuracy[PUBLISHED_METHOD["base"]]
    for kept, role in ((100 - discarded, "projection"), (preserved, "ours")):
        effect = accuracy[PUBLISHED_METHOD[role]] - base
        yield Point(kept, effect, None, role, f"published: {PUBLISHED_METHOD[role]}")


def _side_by_side(points: Sequence[Point]) -> Iterator[tuple[float, Point]]:
    """Points that keep the same energy, spread evenly around it on the logarithmic axis."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(f"{point.kept:.3g}", []).append(point)
    for group in groups.values():
        step = min(SPREAD, WIDEST ** (1 / max(1, len(group) - 1)))
        for index, point in enumerate(group):
            yield point.kept * step ** (index - (len(group) - 1) / 2), point


def _draw_point(axis: Axes, place: float, point: Point) -> None:
    colour = COLOURS[point.role]
    style = {"color": colour, "markersize": 4 if point.small else 6, "label": point.label}
    if point.interval is None:
        style |= {"markerfacecolor": "white", "markeredgewidth": 1.2}
        axis.plot([place], [point.effect], "D", **style)
        return
    low, high = point.interval
    if point.small:  # many draws: their scatter says what an interval of each would
        axis.plot([place], [point.effect], point.marker, **style)
        return
    error = [[max(0.0, point.effect - low)], [max(0.0, high - point.effect)]]
    hollow = point.role == "projection_matched"
    style["markerfacecolor"] = "white" if hollow else colour
    axis.errorbar(
        [place], [point.effect], error, fmt=point.marker, elinewidth=0.9, capsize=2, **style
    )


def _chance_lines(axis: Axes, report: Report, seed: str) -> list:
    """Vertical lines at what a random and the best subspace of the projection's rank keep."""
    projected = report.one("projection")
    if projected is None:
        return []
    row = report.source("energy").rows[report.energy_row(projected, seed)]
    handles = []
    for column, dashes, label in (
        ("chance", (0, (4, 3)), "chance k/d"),
        ("oracle", (0, (1, 2)), "best subspace of that rank"),
    ):
        value = number(row[column])
        if value > 0:
            style = {"color": INK, "linewidth": 0.8, "linestyle": dashes}
            axis.axvline(100 * value, **style)
            handles.append(Line2D([], [], label=label, **style))
    return handles


def _legend(axis: Axes, handles: list, labels: list[str]) -> None:
    axis.legend(handles, labels, loc="upper left", handlelength=1.3, borderaxespad=0.1)
    axis.set_ylim(top=axis.get_ylim()[1] * (1 + 0.11 * len(labels)))  # room above the bars


FIGURES = {
    "figure1": figure1, "figure2": figure2, "figure3": figure3, "figure4": figure4,
    "figure5": figure5, "figure6": figure6, "figure7": figure7, "figure8": figure8,
    "figure9": figure9,
}  # fmt: skip
