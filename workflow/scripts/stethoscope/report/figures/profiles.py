"""Figure 2: the specificity profile over layers."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from stethoscope.problems.records import Subject
from stethoscope.report.figures import style

THRESHOLD = 4.0  # SP of the paper's main selection (claim C11)


@style.figure("figure_profiles")
def figure2(profiles: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 2: SP of the target by layer, a panel a seed; published (Table 6) last."""
    measured = style.by_source(profiles, "reproduced").groupby("seed", sort=False)
    rows = math.ceil((len(measured) + 1) / 2)
    drawn, axes = style.new_figure(2.7 * rows, rows, 2, squeeze=False)
    panels = iter(axes.flat)
    for seed, profile in measured:
        axis = next(panels)
        _reproduced(axis, profile)
        axis.set_title(f"Reproduced, {target.type}" + f", seed {seed}" * (len(measured) > 1))
    _published(next(panels), style.by_source(profiles, "published"))
    for axis in panels:
        axis.set_axis_off()
    return drawn


def _reproduced(axis: Axes, profile: pd.DataFrame) -> None:
    layers = profile["layer"].tolist()
    axis.bar(layers, profile["sp"], 0.72, color=_colours(profile))
    smooth = {"color": style.INK, "linewidth": 0.9, "marker": "o", "markersize": 2.8}
    axis.plot(layers, profile["sp_smooth"], **smooth)
    null = {"color": style.NULL, "linewidth": 1.1}
    for point in profile.dropna(subset="sp_null_95").itertuples():
        axis.plot([point.layer - 0.42, point.layer + 0.42], [point.sp_null_95] * 2, **null)
    axis.set_xticks(layers if len(layers) <= 18 else layers[::2])
    axis.set_xlabel("layer")
    entries = {
        "selected": Patch(color=style.COLOURS["ours"]),
        "not selected": Patch(color=style.PALE),
        "smoothed": style.mark(**smooth),
        "95 % of null": style.mark(**null),
    }
    _finish(axis, entries)


def _published(axis: Axes, profile: pd.DataFrame) -> None:
    listed, missing = profile[profile["sp"].notna()], profile[profile["sp"].isna()]
    axis.bar(listed["depth"], listed["sp"], 0.72 / (len(profile) - 1), color=_colours(listed))
    cross = {"color": style.INK, "marker": "x", "markersize": 3, "markeredgewidth": 0.6}
    axis.plot(missing["depth"], [0.12] * len(missing), linestyle="", **cross)
    style.dashed(axis, THRESHOLD, 0.7)
    axis.set_xlim(-0.03, 1.03)
    axis.set_xlabel("relative depth")
    axis.set_title("Published, Gemma-3-4B-IT (Table 6)")
    entries = {
        f"threshold {THRESHOLD}": style.mark(linewidth=0.7, linestyle=style.DASHED),
        "layer not listed": style.mark(linestyle="", **cross),
    }
    _finish(axis, entries)


def _colours(profile: pd.DataFrame) -> list[str]:
    return [style.COLOURS["ours"] if chosen else style.PALE for chosen in profile["selected"]]


def _finish(axis: Axes, entries: dict) -> None:
    axis.set_ylabel("SP")
    look = {"loc": "upper left", "handlelength": 1.3, "borderaxespad": 0.1}
    axis.legend(entries.values(), entries.keys(), **look)
    axis.set_ylim(top=axis.get_ylim()[1] * (1 + 0.11 * len(entries)))  # room above the bars
