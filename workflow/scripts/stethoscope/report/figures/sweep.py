"""Figures 6, 7 and 9: how accuracy answers to alpha, and whether perplexity foretells it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.cells import SIGNED2
from stethoscope.report.facts import BASE_METHOD, Edit, Report
from stethoscope.report.figures.drawing import (
    COLOURS,
    INK,
    PUBLISHED,
    STYLE,
    counts,
    layer_count,
    notice,
    number,
    published_accuracy,
    search_title,
    searched,
    searches,
    svg_text,
)
from stethoscope.statistics.tests import wilson_interval

# Table 2's configurations in Figure 7, and their colours
RESPONSES = {"SP4 14L": COLOURS["ours"], "SP4 noDeep": COLOURS["other"]}


def figure6(report: Report) -> str:
    """Accuracy on the target over alpha: the published sweep of ours, and the reproduced one."""
    if "figure6" in report.left_out:
        return notice("figure6", f"Left out: {report.left_out['figure6']}.")
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        table = report.source("published_sweep")
        points = {
            number(row["alpha"]): (int(float(row["correct"])), int(row["n"])) for row in table.rows
        }
        _response(left, points, PUBLISHED, hollow=True)
        _base(left, published_accuracy(report)[BASE_METHOD])
        left.set_title("Published, Gemma-3-4B-IT (Table 4)")
        ours = report.one("ours")
        _response(right, _swept(report, ours), COLOURS["ours"])
        _mark_chosen(right, report, ours, COLOURS["ours"])
        correct, n = counts(report, report.one("base"), report.target)
        _base(right, 100 * correct / n)
        right.set_title("Reproduced")
        for axis in (left, right):
            axis.set_xlabel("α")
        left.set_ylabel(f"{SUBJECTS[report.target].short} accuracy (%)")
        handles = [
            Line2D([], [], color=INK, marker="o", markersize=9, markerfacecolor="none", lw=0),
            Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (4, 3))),
        ]
        words = ["α chosen on validation problems", "base model"]
        figure.legend(handles, words, loc="outside lower center", ncols=2)
        return svg_text(figure, "figure6")


def figure7(report: Report) -> str:
    """The responses of ours and of noDeep over alpha, and over alpha times the share of layers."""
    if "figure7" in report.left_out:
        return notice("figure7", f"Left out: {report.left_out['figure7']}.")
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        handles, words = [], []
        for name, edit in responses(report).items():
            colour = RESPONSES[name]
            share = _share(report, edit)
            _response(left, _swept(report, edit), colour)
            _mark_chosen(left, report, edit, colour)
            _response(right, _swept(report, edit), colour, scale=share)
            _mark_chosen(right, report, edit, colour, scale=share)
            handles.append(Line2D([], [], color=colour, marker="o", markersize=4, linewidth=1))
            words.append(f"{name}: {edit.label}")
        for name, budget in published_budgets(report).items():
            style = {"color": RESPONSES[name], "linewidth": 0.9, "linestyle": (0, (1, 2))}
            right.axvline(budget, **style)
            handles.append(Line2D([], [], **style))
            words.append(f"{name}: published peak")
        left.set_xlabel("α")
        right.set_xlabel("α · |S| / L")
        left.set_ylabel(f"{SUBJECTS[report.target].short} accuracy (%)")
        figure.legend(handles, words, loc="outside lower center", ncols=2)
        return svg_text(figure, "figure7")


def responses(report: Report) -> dict[str, Edit]:
    """The edits of Figure 7 that were swept; ours stands for the first where none is named."""
    found = {name: report.standing_for(name) for name in RESPONSES}
    first = next(iter(RESPONSES))
    found[first] = found[first] or report.one("ours")
    return {name: edit for name, edit in found.items() if edit and report.swept(edit)}


def published_budgets(report: Report) -> dict[str, float]:
    """alpha times the share of layers at the published best alpha, of the two configurations."""
    table, (_, total) = report.source("table2"), report.published_layers()
    rows = {name: table.rows[table.only(config=name)] for name in RESPONSES}
    return {
        name: number(row["alpha"]) * number(row["n_layers"]) / total for name, row in rows.items()
    }


def figure9(report: Report) -> str:
    """Perplexity against accuracy of the configurations that each search kept."""
    if "figure9" in report.left_out:
        return notice("figure9", f"Left out: {report.left_out['figure9']}.")
    names = searches(report)
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.0), layout="constrained")
        axes = figure.subplots(1, max(2, len(names)), squeeze=False)[0]
        for axis in axes[len(names) :]:
            axis.set_axis_off()
        for axis, name in zip(axes, names, strict=False):
            _scatter(axis, report, name)
        axes[0].set_ylabel("accuracy (%)")
        return svg_text(figure, "figure9")


def _scatter(axis: Axes, report: Report, search: str) -> None:
    """Test problems where they were asked, validation problems else."""
    found = searched(report, search)
    split = "test" if any(one.accuracy_test is not None for one in found) else "validation"
    points = [
        (one.perplexity, 100 * value)
        for one in found
        for value in (one.accuracy_test if split == "test" else one.accuracy_validation,)
        if value is not None
    ]
    axis.plot(*zip(*points, strict=True), "o", color=COLOURS["ours"], markersize=4.5)
    best = min(points)
    axis.plot(*best, "o", color=INK, markersize=10, markerfacecolor="none", markeredgewidth=0.9)
    title = f"{search_title(search)}: {split} problems"
    table = report.optional("search_correlations")
    rows = table.find(seed=found[0].seed, search=search, split=split) if table else []
    if rows:
        row = table.rows[rows[0]]
        r, low, high = (number(row[column]) for column in ("r", "r_low", "r_high"))
        if not math.isnan(r):
            title += f"\nr = {SIGNED2(r)}"
        if not math.isnan(low):  # few points have no interval
            title += f" [{SIGNED2(low)}, {SIGNED2(high)}]"
    axis.set_title(title)
    axis.set_xlabel("perplexity of the held-out solutions")


def _swept(report: Report, edit: Edit) -> dict[float, tuple[int, int]]:
    """alpha -> (correct, n) on the target's test problems."""
    table, found = report.optional("sweep"), {}
    for alpha, rows in report.swept(edit).items():
        row = table.rows[rows[report.target]]
        found[number(alpha)] = int(float(row["correct"])), int(float(row["n"]))
    return found


def _response(
    axis: Axes,
    points: Mapping[float, tuple[int, int]],
    colour: str,
    scale: float = 1.0,
    hollow: bool = False,
) -> None:
    """Accuracies joined by a line, with Wilson's intervals."""
    values = {alpha: 100 * correct / n for alpha, (correct, n) in points.items()}
    for alpha, (correct, n) in points.items():
        low, high = (100 * bound for bound in wilson_interval(correct, n))
        axis.vlines(alpha * scale, low, high, colour, linewidth=0.8)
    places = [alpha * scale for alpha in values]
    face = "white" if hollow else colour
    style = {"color": colour, "markersize": 4.5, "linewidth": 1, "markerfacecolor": face}
    axis.plot(places, list(values.values()), "o-", **style)


def _mark_chosen(axis: Axes, report: Report, edit: Edit, colour: str, scale: float = 1.0) -> None:
    """A ring around the alpha that validation problems chose (each, where seeds differ)."""
    points = _swept(report, edit)
    for cell in report.alpha(edit):
        if float(cell.value) in points:
            correct, n = points[float(cell.value)]
            style = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 0.9}
            axis.plot(float(cell.value) * scale, 100 * correct / n, "o", color=colour, **style)


def _base(axis: Axes, percent: float) -> None:
    axis.axhline(percent, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))


def _share(report: Report, edit: Edit) -> float:
    """Share of the layers that an edit changes; of the first seed."""
    row = report.source("energy").rows[report.energy_row(edit, report.seeds[0])]
    return int(row["n_layers"]) / layer_count(report)
