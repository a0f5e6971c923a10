"""What the figures share: the registry, colours, letters and the SVG text.

The same frames give the same bytes: no dates, fixed ids, letters drawn as paths so that no font
of the reader's matters.
"""

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stethoscope.problems.records import Subject
from stethoscope.report.numbers import FORMATS

# Okabe and Ito's palette, told apart by colour-blind readers and in grey; one colour a role.
COLOURS = {
    "base": "#8a8a8a",
    "full": "#d55e00",
    "random": "#009e73",
    "projection": "#cc79a7",
    "projection_matched": "#e69f00",
    "ours": "#0072b2",
    "other": "#56b4e9",
}
PALE, INK, NULL, PUBLISHED = "#c9d3da", "#222222", "#d55e00", "#6f6f6f"
DASHED, DOTTED = (0, (4, 3)), (0, (1, 2))
STYLE = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "stethoscope",
}

FIGURES: dict[str, tuple[Callable[..., Figure], tuple[str, ...]]] = {}


def figure(*frames: str) -> Callable:
    """Register a function that draws the frames of these names, and takes the target subject."""

    def register(function: Callable[..., Figure]) -> Callable[..., Figure]:
        FIGURES[function.__name__] = function, frames
        return function

    return register


def draw(name: str, frames: Mapping, target: Subject, left_out: str | None = None) -> str:
    """SVG text of a figure; frames: by name. left_out: why it has no data, drawn instead."""
    function, needed = FIGURES[name]
    with rc_context(STYLE):
        if left_out:
            drawn = Figure(figsize=(7.6, 0.5))
            drawn.text(0.01, 0.5, f"Left out: {left_out}.", va="center", style="italic")
        else:
            drawn = function(*(frames[frame] for frame in needed), target)
        return _svg_text(drawn, name)


def new_figure(height: float, *panels: int, **options: Any) -> tuple[Figure, Any]:
    """A figure as wide as the page, `height` inches high, and its axes; panels: rows, columns."""
    drawn = Figure(figsize=(7.6, height), layout="constrained")
    return drawn, drawn.subplots(*panels, **options)


def by_source(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The published or the reproduced rows."""
    return frame[frame["source"] == source]


def dashed(axis: Axes, height: float, linewidth: float = 0.8) -> None:
    """A dashed horizontal line."""
    axis.axhline(height, color=INK, linewidth=linewidth, linestyle=DASHED)


def mark(**look: Any) -> Line2D:
    """A line or a marker for a legend."""
    return Line2D([], [], **{"color": INK, **look})


def legend(drawn: Figure, entries: Mapping[str, Any], columns: int) -> None:
    """A legend below the panels: label to its mark."""
    look = {"loc": "outside lower center", "ncols": columns}
    drawn.legend(entries.values(), entries.keys(), **look)


def text(value: float, form: str) -> str:
    """A number as the tables print it, in one of their formats."""
    return FORMATS[form](str(value))


def _svg_text(drawn: Figure, name: str) -> str:
    """SVG text; ids carry the figure's name, since several figures stand in one page."""
    buffer = io.StringIO()
    empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    drawn.savefig(buffer, format="svg", metadata=empty)
    svg = re.sub(r"<!DOCTYPE[^>]*>\s*", "", buffer.getvalue())
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    return re.sub(r"[ \t]+\n", "\n", svg)
