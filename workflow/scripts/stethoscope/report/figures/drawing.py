"""What the figures share: colours, letters, the SVG text, and numbers read from their sources.

The same numbers give the same bytes: no dates, fixed ids, letters drawn as paths so that no font
of the reader's matters.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.facts import Edit, Report

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
PALE, INK, NULL = "#c9d3da", "#222222", "#d55e00"
PUBLISHED = "#6f6f6f"
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


def counts(report: Report, edit: Edit, subject: str, seed: str | None = None) -> tuple[int, int]:
    """(correct, n) on test, added over seeds unless one is named."""
    table = report.source("accuracy")
    rows = [
        table.rows[table.only(seed=one, edit=edit.name, subject=subject)]
        for one in ((seed,) if seed else report.seeds)
    ]
    return sum(int(row["correct"]) for row in rows), sum(int(row["n"]) for row in rows)


def layer_count(report: Report) -> int:
    """Number of layers of the study's model."""
    return len(report.source("specificity").values("layer"))


def published_accuracy(report: Report) -> dict[str, float]:
    """Published accuracy on the target in percent, by method of Table 1."""
    column = f"{SUBJECTS[report.target].short}_acc_pct"
    return {row["method"]: number(row[column]) for row in report.source("table1").rows}


@dataclass(frozen=True)
class Searched:
    """A configuration that a search kept; accuracies as fractions, None where not asked."""

    seed: str
    perplexity: float
    accuracy_validation: float | None
    accuracy_test: float | None
    n_test: int


def searches(report: Report) -> list[str]:
    """Names of the searches, as in search.tsv."""
    table = report.optional("search")
    return table.values("search") if table else []


def search_title(name: str) -> str:
    """The subject that a search is named by (nt, number_theory), else its own name."""
    for subject in SUBJECTS.values():
        if name in (subject.slug, subject.short.lower()):
            return subject.type
    return name


def searched(report: Report, name: str) -> list[Searched]:
    """What the first seed's search kept; a search may be named by its subject."""
    table = report.optional("search")
    named = (name, SUBJECTS[name].short.lower()) if name in SUBJECTS else (name,)
    rows = [table.rows[row] for one in named for row in table.find(search=one)] if table else []

    def known(written: str) -> float | None:
        return None if math.isnan(number(written)) else number(written)

    return [
        Searched(
            seed=row["seed"],
            perplexity=number(row["perplexity"]),
            accuracy_validation=known(row["accuracy_validation"]),
            accuracy_test=known(row["accuracy_test"]),
            n_test=int(known(row["n_test"]) or 0),
        )
        for row in rows
        if row["seed"] == rows[0]["seed"]
    ]


def first_number(text: str) -> float:
    """The first number in a text, such as 97 of "~97%"."""
    return float(re.search(r"[-+]?\d+(?:\.\d+)?", text).group())


def number(written: str) -> float:
    """A field of a table as a number; NaN where it is empty."""
    return float(written) if written.strip() else math.nan


def svg_text(figure: Figure, name: str) -> str:
    """SVG text; ids carry the figure's name, since several figures stand in one page."""
    buffer = io.StringIO()
    empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=empty)
    text = re.sub(r"<!DOCTYPE[^>]*>\s*", "", buffer.getvalue())
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    return re.sub(r"[ \t]+\n", "\n", text)


def notice(name: str, words: str) -> str:
    """A small drawing that says why there is no figure."""
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 0.5))
        figure.text(0.01, 0.5, words, va="center", style="italic")
        return svg_text(figure, name)
