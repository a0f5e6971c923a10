"""Figures 6, 7 and 9: how accuracy answers to alpha, and whether perplexity foretells it."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stethoscope.problems.records import Subject
from stethoscope.report.figures import style
from stethoscope.report.figures.style import COLOURS, DASHED, DOTTED, INK, PUBLISHED

CURVES = {
    "published": PUBLISHED,
    "ours": COLOURS["ours"],
    "SP4 14L": COLOURS["ours"],
    "SP4 noDeep": COLOURS["other"],
}
RING = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 0.9}


@style.figure("figure_responses")
def figure6(responses: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 6: accuracy on the target over alpha, published and reproduced."""
    drawn, (left, right) = style.new_figure(2.9, 1, 2)
    for axis, name in ((left, "published"), (right, "ours")):
        curve = responses[responses["curve"] == name]
        _response(axis, curve, name, "alpha")
        style.dashed(axis, 100 * curve["accuracy_base"].iloc[0])
        axis.set_xlabel("α")
    left.set_title("Published, Gemma-3-4B-IT (Table 4)")
    right.set_title("Reproduced")
    left.set_ylabel(f"{target.short} accuracy (%)")
    ring = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "linewidth": 0}
    entries = {
        "α chosen on validation problems": style.mark(**ring),
        "base model": style.mark(linewidth=0.8, linestyle=DASHED),
    }
    style.legend(drawn, entries, 2)
    return drawn


@style.figure("figure_responses")
def figure7(responses: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 7: ours and noDeep over alpha, and over alpha times the layers' share."""
    drawn, (left, right) = style.new_figure(3.0, 1, 2, sharey=True)
    responses = responses[~responses["curve"].isin(("published", "ours"))]
    entries = {}
    for name, curve in style.by_source(responses, "reproduced").groupby("curve", sort=False):
        _response(left, curve, name, "alpha")
        _response(right, curve, name, "budget")
        look = {"color": CURVES[name], "marker": "o", "markersize": 4, "linewidth": 1}
        entries[f"{name}: {curve['label'].iloc[0]}"] = style.mark(**look)
    for peak in style.by_source(responses, "published").itertuples():
        look = {"color": CURVES[peak.curve], "linewidth": 0.9, "linestyle": DOTTED}
        right.axvline(peak.budget, **look)
        entries[f"{peak.curve}: published peak"] = style.mark(**look)
    left.set_xlabel("α")
    right.set_xlabel("α · |S| / L")
    left.set_ylabel(f"{target.short} accuracy (%)")
    style.legend(drawn, entries, 2)
    return drawn


def _response(axis: Axes, curve: pd.DataFrame, name: str, x: str) -> None:
    """Accuracies joined by a line, with intervals, and a ring around each chosen alpha."""
    colour = CURVES[name]
    for point in curve.itertuples():
        low, high = 100 * point.low, 100 * point.high
        axis.vlines(getattr(point, x), low, high, colour, linewidth=0.8)
    face = "white" if name == "published" else colour
    look = {"color": colour, "markersize": 4.5, "linewidth": 1, "markerfacecolor": face}
    axis.plot(curve[x], 100 * curve["accuracy"], "o-", **look)
    for point in curve[curve["chosen"] == 1].itertuples():
        axis.plot(getattr(point, x), 100 * point.accuracy, "o", color=colour, **RING)


@style.figure("figure_searches")
def figure9(searches: pd.DataFrame, target: Subject) -> Figure:
    """The paper's Figure 9: perplexity against accuracy of what each search kept."""
    names = searches["search"].unique()
    drawn, axes = style.new_figure(3.0, 1, max(2, len(names)), squeeze=False)
    for axis in axes[0][len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes[0], names, strict=False):
        _scatter(axis, searches[searches["search"] == name])
    axes[0][0].set_ylabel("accuracy (%)")
    return drawn


def _scatter(axis: Axes, points: pd.DataFrame) -> None:
    about, lowest = points.iloc[0], points[points["lowest"] == 1]
    look = {"color": COLOURS["ours"], "markersize": 4.5}
    axis.plot(points["perplexity"], 100 * points["accuracy"], "o", **look)
    axis.plot(lowest["perplexity"], 100 * lowest["accuracy"], "o", color=INK, **RING)
    title = f"{about['label']}: {about['split']} problems"
    r, low, high = (style.text(about[column], "signed2") for column in ("r", "r_low", "r_high"))
    if pd.notna(about["r"]):
        title += f"\nr = {r}"
    if pd.notna(about["r_low"]):  # few points have no interval
        title += f" [{low}, {high}]"
    axis.set_title(title)
    axis.set_xlabel("perplexity of the held-out solutions")
