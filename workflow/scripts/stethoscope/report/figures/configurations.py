"""Figures 4 and 8: z of the paper's approaches and layer selections, this study's and its own."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.cells import SIGNED2
from stethoscope.report.facts import Report
from stethoscope.report.figures.drawing import (
    COLOURS,
    INK,
    NULL,
    PUBLISHED,
    STYLE,
    counts,
    notice,
    number,
    searched,
    svg_text,
)
from stethoscope.statistics.tests import two_proportion_z

CRITICAL = 1.96  # of a two-sided test at .05
SEARCH = "CMA-ES by\nperplexity"
# Configuration of Table 3 -> the method of Table 1 whose accuracies give its z again.
IN_TABLE1 = {
    "SAE Proj (16K, rank-3)": "SAE Projection",
    "Raw TV (SP4, 14 layers)": "Ours (SP4)",
}
HEADLINE = "SP4 14L"  # the configuration of Table 2 that is the last row of Table 1
SHOWN = 5.0  # z beyond it has the colour of it


@dataclass(frozen=True)
class Approach:
    """A place in Figure 4; z is None where the study has no such edit or the record no number."""

    name: str
    reproduced: float | None
    published: float | None
    role: str


def figure4(report: Report) -> str:
    """z of the target for the approaches in the order in which the paper says it tried them."""
    if "figure4" in report.left_out:
        return notice("figure4", f"Left out: {report.left_out['figure4']}.")
    found = approaches(report)
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.1), layout="constrained")
        axis = figure.subplots()
        for place, one in enumerate(found):
            if one.reproduced is not None:
                style = {"color": COLOURS[one.role], "markersize": 7}
                axis.plot([place], [one.reproduced], "o", **style)
                _say(axis, place, one.reproduced, COLOURS[one.role])
            if one.published is not None:
                style = {"color": PUBLISHED, "markerfacecolor": "white", "markersize": 6.5}
                axis.plot([place], [one.published], "D", **style)
                _say(axis, place, one.published, PUBLISHED)
        axis.axhline(0, color=INK, linewidth=0.6)
        for side in (-CRITICAL, CRITICAL):
            axis.axhline(side, color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, -2.6), max(high, 2.6))
        labels = [one.name.replace(" (", "\n(") for one in found]
        axis.set_xticks(range(len(found)), labels)
        axis.set_xlim(-0.5, len(found) - 0.5)
        axis.tick_params(axis="x", length=0)
        for label, one in zip(axis.get_xticklabels(), found, strict=True):
            if one.reproduced is None:
                label.set_color(PUBLISHED)
        axis.set_ylabel(f"{SUBJECTS[report.target].short}: z against base")
        handles = [
            Line2D([], [], color=INK, marker="o", linestyle="", markersize=7),
            Line2D([], [], color=PUBLISHED, marker="D", linestyle="", markerfacecolor="white"),
            Line2D([], [], color=INK, linewidth=0.7, linestyle=(0, (4, 3))),
        ]
        words = ["reproduced", "published, from its accuracies", "two-sided .05"]
        figure.legend(handles, words, loc="outside lower center", ncols=3)
        return svg_text(figure, "figure4")


def approaches(report: Report) -> list[Approach]:
    """The search by perplexity, then the rows of Table 3: the paper's order of development."""
    search = searched(report, report.target)
    tested = [one for one in search if one.accuracy_test is not None]
    reproduced = None
    if tested:
        best = min(tested, key=lambda one: one.perplexity)
        correct = round(best.accuracy_test * best.n_test)
        before = counts(report, report.one("base"), report.target, best.seed)
        reproduced, _ = two_proportion_z(*before, correct, best.n_test, pooled=False)
    found = [Approach(SEARCH, reproduced, None, "other")]
    table, again = report.source("table3"), report.source("published_table1")
    for row in table.rows:
        name, edit = row["method"], report.standing_for(row["method"])
        z = report.against_base(edit, report.target, "z").value if edit else None
        published = None
        if name in IN_TABLE1:
            short = SUBJECTS[report.target].short
            at = again.only(method=IN_TABLE1[name], subject=short)
            published = number(again.rows[at]["z_lmeval"])
        role = edit.role if edit and edit.role in COLOURS else "other"
        found.append(Approach(name, z, published, role))
    return found


def _say(axis: Axes, place: float, value: float, colour: str) -> None:
    """The number beside its mark."""
    style = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "color": colour}
    style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # over the lines
    axis.annotate(SIGNED2(value), (place, value), (8, 0), **style)


def figure8(report: Report) -> str:
    """z of each subject for the layer-selection configurations of Table 2."""
    if "figure8" in report.left_out:
        return notice("figure8", f"Left out: {report.left_out['figure8']}.")
    names = [SUBJECTS[subject].short for subject in report.subjects]
    rows = heat(report)
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 0.85 + 0.36 * len(rows)), layout="constrained")
        axis = figure.subplots()
        colours = LinearSegmentedColormap.from_list("z", [NULL, "#ffffff", COLOURS["ours"]])
        shown = [[max(-SHOWN, min(SHOWN, z)) for z in values] for _, values in rows]
        axis.pcolormesh(
            shown, cmap=colours, vmin=-SHOWN, vmax=SHOWN, edgecolors="white", linewidth=1
        )
        for index, (_, values) in enumerate(rows):
            for column, z in enumerate(values):
                dark = abs(z) > 0.7 * SHOWN
                axis.text(
                    column + 0.5, index + 0.5, SIGNED2(z), ha="center", va="center",
                    weight="bold" if abs(z) > CRITICAL else "normal",
                    color="white" if dark else INK,
                )  # fmt: skip
        axis.set_xticks([column + 0.5 for column in range(len(names))], names)
        axis.set_yticks([index + 0.5 for index in range(len(rows))], [name for name, _ in rows])
        axis.invert_yaxis()
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        for side in axis.spines.values():
            side.set_visible(False)
        return svg_text(figure, "figure8")


def heat(report: Report) -> list[tuple[str, list[float]]]:
    """Label and z by subject: what the published Table 1 gives again, then this study's edits."""
    again = report.source("published_table1")
    published = [
        number(
            again.rows[again.only(method="Ours (SP4)", subject=SUBJECTS[subject].short)]["z_lmeval"]
        )
        for subject in report.subjects
    ]
    rows = [(f"{HEADLINE}, published", published)]
    for name in report.source("table2").values("config"):
        edit = report.standing_for(name)
        if edit:
            found = [report.against_base(edit, subject, "z").value for subject in report.subjects]
            rows.append((f"{name}, reproduced", found))
    return rows
