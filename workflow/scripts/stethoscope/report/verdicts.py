"""Where an interval lies and the rank among draws."""

from stethoscope.statistics.results import ABOVE, BELOW, NONE, direction
from stethoscope.statistics.summaries.verdicts import rank_p

__all__ = ["ABOVE", "BELOW", "NONE", "direction", "rank_p"]
