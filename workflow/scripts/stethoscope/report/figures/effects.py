"""Figures 3, 4 and 8: accuracy by subject, and z of the paper's approaches and configurations."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from stethoscope.problems.records import SUBJECTS, Subject
from stethoscope.report.figures import style
from stethoscope.report.figures.style import COLOURS, INK, PUBLISHED

CRITICAL = 1.96  # of a two-sided test at .05
SHOWN = 5.0  # z beyond it has the colour of it


@style.figure("figure_accuracy")
def figure3(accuracy: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 3: accuracy by subject, the published panel above the reproduced one."""
    draws = accuracy[accuracy["role"] == "random"]
    bars = accuracy[accuracy["role"] != "random"]
    roles, subjects = bars["role"].unique(), bars["subject"].unique()
    width = 0.8 / len(roles)
    drawn, (above, below) = style.new_figure(5.0, 2, 1)
    for slot, role in enumerate(roles):
        shift = (slot - (len(roles) - 1) / 2) * width
        places = [index + shift for index in range(len(subjects))]
        of_role = bars[bars["role"] == role]
        look = {"width": width * 0.92, "color": COLOURS[role]}
        published = 100 * style.by_source(of_role, "published")["accuracy"]
        above.bar(places, published, label=of_role["label"].iloc[0], **look)
        measured = 100 * style.by_source(of_role, "reproduced")[["accuracy", "low", "high"]]
        value, low, high = (measured[column] for column in measured)
        below.bar(places, value, **look)
        look = {"ecolor": INK, "elinewidth": 0.6, "capsize": 1.5, "capthick": 0.6}
        below.errorbar(places, value, (value - low, high - value), fmt="none", **look)
    for index, draw in enumerate(draws.itertuples()):  # at the right edge of each group
        below.vlines(index + 0.45, 100 * draw.low, 100 * draw.high, COLOURS["random"], linewidth=2)
        below.plot(index + 0.45, 100 * draw.accuracy, "D", color=COLOURS["random"], markersize=3)
    for axis, title in ((above, "Published, Gemma-3-4B-IT"), (below, "Reproduced")):
        axis.set_xticks(range(len(subjects)), [SUBJECTS[s].short for s in subjects])
        axis.tick_params(axis="x", length=0)
        axis.set_ylim(bottom=0)
        axis.set_ylabel("accuracy (%)")
        axis.set_title(title)
    handles, labels = above.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    for label in draws["label"].unique():
        look = {"color": COLOURS["random"], "linewidth": 2, "marker": "D", "markersize": 3}
        entries[f"{label}: mean and range"] = style.mark(**look)
    style.legend(drawn, entries, 3)
    return drawn


@style.figure("figure_approaches")
def figure4(approaches: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 4: z of the target, by approach in the paper's order of development."""
    drawn, axis = style.new_figure(3.1)
    hollow = {"color": PUBLISHED, "marker": "D", "markerfacecolor": "white"}
    for place, approach in enumerate(approaches.itertuples()):
        if pd.notna(approach.z):
            colour = COLOURS.get(approach.role, COLOURS["other"])
            axis.plot([place], [approach.z], "o", color=colour, markersize=7)
            _say(axis, place, approach.z, colour)
        if pd.notna(approach.z_published):
            axis.plot([place], [approach.z_published], linestyle="", markersize=6.5, **hollow)
            _say(axis, place, approach.z_published, PUBLISHED)
    axis.axhline(0, color=INK, linewidth=0.6)
    for side in (-CRITICAL, CRITICAL):
        style.dashed(axis, side, 0.7)
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, -2.6), max(high, 2.6))
    names = [name.replace(" (", "\n(").replace(" by ", " by\n") for name in approaches["approach"]]
    axis.set_xticks(range(len(names)), names)
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.tick_params(axis="x", length=0)
    for label, z in zip(axis.get_xticklabels(), approaches["z"], strict=True):
        if pd.isna(z):
            label.set_color(PUBLISHED)
    axis.set_ylabel(f"{target.short}: z against base")
    entries = {
        "reproduced": style.mark(marker="o", linestyle="", markersize=7),
        "published, from its accuracies": style.mark(linestyle="", **hollow),
        "two-sided .05": style.mark(linewidth=0.7, linestyle=style.DASHED),
    }
    style.legend(drawn, entries, 3)
    return drawn


def _say(axis: Axes, place: float, value: float, colour: str) -> None:
    """The number beside its mark."""
    look = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "color": colour}
    look["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # over the lines
    axis.annotate(style.text(value, "signed2"), (place, value), (8, 0), **look)


@style.figure("figure_z")
def figure8(z: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 8: z of each subject for the layer selections of Table 2."""
    z = z.assign(row=z["configuration"] + ", " + z["source"])
    rows, subjects = z["row"].unique(), z["subject"].unique()
    drawn, axis = style.new_figure(0.85 + 0.36 * len(rows))
    colours = LinearSegmentedColormap.from_list("z", [style.NULL, "#ffffff", COLOURS["ours"]])
    grid = z.pivot(index="row", columns="subject", values="z").loc[rows, subjects].to_numpy()
    look = {"cmap": colours, "vmin": -SHOWN, "vmax": SHOWN, "edgecolors": "white", "linewidth": 1}
    axis.pcolormesh(grid.clip(-SHOWN, SHOWN), **look)
    for index, values in enumerate(grid):
        for column, value in enumerate(values):
            look = {"weight": "bold" if abs(value) > CRITICAL else "normal"}
            look["color"] = "white" if abs(value) > 0.7 * SHOWN else INK
            words = style.text(value, "signed2")
            axis.text(column + 0.5, index + 0.5, words, ha="center", va="center", **look)
    names = [SUBJECTS[subject].short for subject in subjects]
    axis.set_xticks([column + 0.5 for column in range(len(names))], names)
    axis.set_yticks([index + 0.5 for index in range(len(rows))], rows)
    axis.invert_yaxis()
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return drawn
