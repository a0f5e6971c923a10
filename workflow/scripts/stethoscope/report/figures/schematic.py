"""Figure 1: the two ways to use an SAE, with this study's layers, energies and effects."""

from __future__ import annotations

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.cells import POINTS
from stethoscope.report.facts import BASE_METHOD, ENERGY_CLAIMS, PUBLISHED_METHOD, Edit, Report
from stethoscope.report.figures.drawing import (
    COLOURS,
    INK,
    PALE,
    PUBLISHED,
    STYLE,
    first_number,
    layer_count,
    notice,
    number,
    published_accuracy,
    svg_text,
)


def figure1(report: Report) -> str:
    """Task vector and SP on the left; projected above, raw below; published in grey."""
    if "figure1" in report.left_out:
        return notice("figure1", f"Left out: {report.left_out['figure1']}.")
    ours, projected = report.one("ours"), report.one("projection")
    claims = report.source("text_claims")
    discarded, kept = (
        first_number(claims.rows[claims.only(claim_id=claim)]["value"]) for claim in ENERGY_CLAIMS
    )
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.5))
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 46)
        axis.set_axis_off()
        _source(axis, report)
        for edit, height, colour, published, words in (
            (projected, 33, COLOURS["projection"], 100 - discarded, "Scalpel: project, then add"),
            (ours, 11, COLOURS["ours"], kept, "Stethoscope: add as it is"),
        ):
            _path(axis, report, edit, height, colour, published, words)
        return svg_text(figure, "figure1")


def _source(axis: Axes, report: Report) -> None:
    """The task vector, and SP of each layer with the selected ones dark."""
    _box(axis, 1, 29, 25, 13, INK)
    axis.text(13.5, 38.4, "Task vector τ", ha="center", va="center", weight="bold")
    name = SUBJECTS[report.target].type
    axis.text(13.5, 33, f"LoRA on {name},\nless the base model", ha="center", va="center")
    _box(axis, 1, 3, 25, 21, INK)
    axis.text(13.5, 21.2, "SAEs: SP by layer", ha="center", va="center", weight="bold")
    table = report.source("specificity")
    rows = table.find(seed=report.seeds[0], sae=report.scored_sae(), subject=report.target)
    about = sorted((table.rows[row] for row in rows), key=lambda row: int(row["layer"]))
    top = max(number(row["sp"]) for row in about)
    width = 21 / len(about)
    for row in about:
        chosen = row["selected"] in ("1", "True")
        left, height = 3 + width * int(row["layer"]), 10 * number(row["sp"]) / top
        colour = COLOURS["ours"] if chosen else PALE
        axis.add_patch(Rectangle((left + 0.1 * width, 8), 0.8 * width, height, color=colour))
    axis.plot([3, 24], [8, 8], color=INK, linewidth=0.6)
    count = sum(row["selected"] in ("1", "True") for row in about)
    axis.text(13.5, 6.5, f"{count} of {len(about)} layers", ha="center", va="center")
    said = "published {} of {}".format(*report.published_layers())
    axis.text(13.5, 4.3, said, ha="center", va="center", color=PUBLISHED, fontsize=8.5)


def _path(
    axis: Axes,
    report: Report,
    edit: Edit,
    middle: float,
    colour: str,
    published: float,
    words: str,
) -> None:
    """What one way does to τ, the energy that is left, and its effect on the target."""
    energy, seed = report.source("energy"), report.seeds[0]
    row = energy.rows[report.energy_row(edit, seed)]
    _box(axis, 34, middle - 8, 30, 17, colour)
    axis.text(49, middle + 6, words, ha="center", va="center", weight="bold", color=colour)
    rank = report.source("study").document["edits"][edit.family].get("projection", {}).get("rank")
    layers = f"{row['n_layers']} of {layer_count(report)} layers"
    how = f"τ on {rank} SAE directions a layer,\nin {layers}" if rank else f"raw τ in {layers}"
    axis.text(49, middle + 1.4, how, ha="center", va="center")
    share = 100 * number(row["energy_retained"])
    axis.text(49, middle - 3, f"{share:.3g} % of the energy kept", ha="center", va="center")
    said = f"published {published:.3g} %"
    axis.text(49, middle - 5.8, said, ha="center", va="center", color=PUBLISHED, fontsize=8.5)
    _box(axis, 73, middle - 8, 26, 17, colour)
    short = SUBJECTS[report.target].short
    axis.text(86, middle + 6, f"{short} against base", ha="center", va="center", weight="bold")
    paired = report.paired(edit, report.one("base"), report.target)
    if paired:
        points = f"{paired.difference} points [{paired.low}, {paired.high}]"
        axis.text(86, middle + 1.4, points, ha="center", va="center")
    gains, losses = report.significant(edit, "p_z")
    counts = f"{gains} of {len(report.subjects)} subjects up, {losses} down"
    axis.text(86, middle - 2.4, counts, ha="center", va="center")
    accuracy = published_accuracy(report)
    effect = accuracy[PUBLISHED_METHOD[edit.role]] - accuracy[BASE_METHOD]
    said = f"published {POINTS(effect / 100)} points"
    axis.text(86, middle - 5.8, said, ha="center", va="center", color=PUBLISHED, fontsize=8.5)
    for start, end in (
        ((26, 36), (34, middle + 3)),
        ((26, 13), (34, middle - 3)),
        ((64, middle), (73, middle)),
    ):
        style = {"arrowstyle": "-|>", "mutation_scale": 9, "color": colour, "linewidth": 0.9}
        axis.add_patch(FancyArrowPatch(start, end, shrinkA=1, shrinkB=1, **style))


def _box(axis: Axes, left: float, bottom: float, width: float, height: float, edge: str) -> None:
    style = {"boxstyle": "round,pad=0,rounding_size=1", "facecolor": "white", "linewidth": 0.9}
    axis.add_patch(FancyBboxPatch((left, bottom), width, height, edgecolor=edge, **style))
