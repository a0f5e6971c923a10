"""Figure 5: energy that an edit keeps against its effect."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stethoscope.problems.records import Subject
from stethoscope.report.figures import style
from stethoscope.report.figures.style import COLOURS, DASHED, DOTTED, INK

MARKERS = ("s", "^", "v", "P", "X", "<", ">", "p")  # one for each further edit spec
# Factor between neighbours of the same energy, and between the outermost ones.
SPREAD, WIDEST = 1.09, 1.7
REFERENCES = {"chance": (DASHED, "chance k/d"), "oracle": (DOTTED, "best subspace of that rank")}


@style.figure("figure_energy")
def figure5(energy: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 5: energy kept against the effect on the target, with published marks."""
    drawn, axis = style.new_figure(3.5)
    others = energy.loc[energy["role"] == "other", "spec"].unique()
    markers = dict(zip(others, MARKERS * len(others), strict=False))
    points = energy[energy["difference"].notna()]
    for place, point in _side_by_side(points[points["energy_retained"] > 0]):  # logarithmic
        _draw_point(axis, place, point, markers.get(point.spec, "o"))
    kept = style.by_source(energy, "energy only")["energy_retained"]
    if len(kept):
        look = {"color": INK, "markersize": 7, "linestyle": "", "label": "controls, energy only"}
        foot = [0.03] * len(kept)
        axis.plot(100 * kept, foot, "|", transform=axis.get_xaxis_transform(), **look)
    lines = _reference_lines(axis, energy)
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(low / 1.3, high * 1.2)
    ticks = [t for t in (0.1, 0.3, 1, 3, 10, 30, 100) if low / 1.3 <= t <= high * 1.2]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("energy retained within the edited layers (%, logarithmic)")
    axis.set_ylabel(f"{target.short}: difference from base (points)")
    marks, labels = axis.get_legend_handles_labels()
    named = dict(zip(labels, marks, strict=True)) | lines  # draws share a label: one entry
    drawn.legend(named.values(), named.keys(), loc="outside right upper")
    return drawn


def _side_by_side(points: pd.DataFrame) -> Iterator[tuple[float, Any]]:
    """Points with their x, in percent: those of equal energy spread evenly around it."""
    percent = 100 * points["energy_retained"]
    for _, group in points.groupby(percent.map("{:.3g}".format), sort=False):
        step = min(SPREAD, WIDEST ** (1 / max(1, len(group) - 1)))
        for index, point in enumerate(group.itertuples()):
            yield percent[point.Index] * step ** (index - (len(group) - 1) / 2), point


def _draw_point(axis: Axes, place: float, point: Any, marker: str) -> None:
    colour, effect = COLOURS[point.role], 100 * point.difference
    look = {"color": colour, "markersize": 6, "label": point.label}
    if point.source == "published":
        look |= {"markerfacecolor": "white", "markeredgewidth": 1.2}
        axis.plot([place], [effect], "D", **look | {"label": f"published: {point.label}"})
    elif pd.notna(point.draw):  # many draws: their scatter says what an interval of each would
        axis.plot([place], [effect], marker, **look | {"markersize": 4})
    else:
        error = [[max(0, effect - 100 * point.ci_low)], [max(0, 100 * point.ci_high - effect)]]
        look["markerfacecolor"] = "white" if point.role == "projection_matched" else colour
        axis.errorbar([place], [effect], error, fmt=marker, elinewidth=0.9, capsize=2, **look)


def _reference_lines(axis: Axes, energy: pd.DataFrame) -> dict[str, Line2D]:
    """Vertical lines at what a random and the best subspace of the projection's rank keep."""
    entries = {}
    for source, (dashes, label) in REFERENCES.items():
        for value in style.by_source(energy, source)["energy_retained"]:
            if value > 0:
                look = {"linewidth": 0.8, "linestyle": dashes}
                axis.axvline(100 * value, color=INK, **look)
                entries[label] = style.mark(**look)
    return entries
