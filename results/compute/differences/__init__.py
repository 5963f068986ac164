"""One sweep against another: what was asked for (setup), and what came out (outcomes)."""

from fdsweep.results.compute.differences.build import differences
from fdsweep.results.compute.differences.model import Difference, Differences, Line, Outcome, Side

__all__ = ["Difference", "Differences", "Line", "Outcome", "Side", "differences"]
