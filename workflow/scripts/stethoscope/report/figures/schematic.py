"""Figure 1: the two ways to use an SAE, with this study's layers, energies and effects."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from stethoscope.problems.records import Subject
from stethoscope.report.figures.style import COLOURS, INK, PALE, PUBLISHED, by_source, figure, text

GREY = {"color": PUBLISHED, "fontsize": 8.5}


@figure("figure_ways", "figure_profiles")
def figure1(ways: pd.DataFrame, profiles: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 1: τ and SP on the left; projected above, raw below; published in grey."""
    drawn = Figure(figsize=(7.6, 3.5))
    axis = drawn.add_axes((0, 0, 1, 1))
    axis.set_xlim(0, 100)
    axis.set_ylim(0, 46)
    axis.set_axis_off()
    ways = ways.set_index("role", drop=False)
    measured = by_source(profiles, "reproduced")
    _source(axis, measured[measured["seed"] == measured["seed"].iloc[0]], target)
    published = "published {published_n_layers} of {published_n_layers_model}"
    _say(axis, 13.5, 4.3, published.format(**ways.loc["ours"]), **GREY)
    _path(axis, ways.loc["projection"], 33, target, "Scalpel: project, then add")
    _path(axis, ways.loc["ours"], 11, target, "Stethoscope: add as it is")
    return drawn


def _source(axis: Axes, profile: pd.DataFrame, target: Subject) -> None:
    """The task vector, and SP of each layer with the selected ones dark."""
    _box(axis, 1, 29, 25, 13, INK)
    _say(axis, 13.5, 38.4, "Task vector τ", weight="bold")
    _say(axis, 13.5, 33, f"LoRA on {target.type},\nless the base model")
    _box(axis, 1, 3, 25, 21, INK)
    _say(axis, 13.5, 21.2, "SAEs: SP by layer", weight="bold")
    width, top = 21 / len(profile), profile["sp"].max()
    for layer in profile.itertuples():
        corner = 3 + width * layer.layer + 0.1 * width, 8
        colour = COLOURS["ours"] if layer.selected else PALE
        axis.add_patch(Rectangle(corner, 0.8 * width, 10 * layer.sp / top, color=colour))
    axis.plot([3, 24], [8, 8], color=INK, linewidth=0.6)
    _say(axis, 13.5, 6.5, f"{int(profile['selected'].sum())} of {len(profile)} layers")


def _path(axis: Axes, way: pd.Series, middle: float, target: Subject, title: str) -> None:
    """What one way does to τ, the energy that is left, and its effect on the target."""
    colour = COLOURS[way["role"]]
    _box(axis, 34, middle - 8, 30, 17, colour)
    _say(axis, 49, middle + 6, title, weight="bold", color=colour)
    layers = f"{way['n_layers']} of {way['n_layers_model']} layers"
    how = "raw τ " if pd.isna(way["rank"]) else f"τ on {way['rank']:.0f} SAE directions a layer,\n"
    _say(axis, 49, middle + 1.4, f"{how}in {layers}")
    _say(axis, 49, middle - 3, f"{100 * way['energy_retained']:.3g} % of the energy kept")
    published = f"published {100 * way['published_energy_retained']:.3g} %"
    _say(axis, 49, middle - 5.8, published, **GREY)
    _box(axis, 73, middle - 8, 26, 17, colour)
    _say(axis, 86, middle + 6, f"{target.short} against base", weight="bold")
    if pd.notna(way["difference"]):
        effect, low, high = (text(way[c], "points") for c in ("difference", "ci_low", "ci_high"))
        _say(axis, 86, middle + 1.4, f"{effect} points [{low}, {high}]")
    counts = f"{way['gains']} of {way['n_subjects']} subjects up, {way['losses']} down"
    _say(axis, 86, middle - 2.4, counts)
    published = text(way["published_difference"], "points")
    _say(axis, 86, middle - 5.8, f"published {published} points", **GREY)
    look = {"arrowstyle": "-|>", "mutation_scale": 9, "color": colour, "linewidth": 0.9}
    ends = ((26, 36), (34, middle + 3)), ((26, 13), (34, middle - 3)), ((64, middle), (73, middle))
    for start, end in ends:
        axis.add_patch(FancyArrowPatch(start, end, shrinkA=1, shrinkB=1, **look))


def _say(axis: Axes, x: float, y: float, words: str, **style: object) -> None:
    axis.text(x, y, words, ha="center", va="center", **style)


def _box(axis: Axes, left: float, bottom: float, width: float, height: float, edge: str) -> None:
    look = {"boxstyle": "round,pad=0,rounding_size=1", "facecolor": "white", "linewidth": 0.9}
    axis.add_patch(FancyBboxPatch((left, bottom), width, height, edgecolor=edge, **look))
