"""The paper's Figures 1 to 9 as SVG, drawn from statistics/summaries; nothing is computed.

`FIGURES` has each figure's function and the frames that it plots.
"""

from stethoscope.report.figures import effects, energy, profiles, schematic, sweep
from stethoscope.report.figures.style import FIGURES, draw

__all__ = ["FIGURES", "draw", "effects", "energy", "profiles", "schematic", "sweep"]
