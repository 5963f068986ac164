"""The words for a comparison, by one rule that no one chooses after a look at the numbers."""

from typing import Literal, TypeAlias

from numpy.typing import ArrayLike

from fdsweep.results.compute.statistics import equivalent, mean_interval

ALPHA = 0.05
MARGIN = 1.0
"""Differences up to this many points count as none, unless the sweep says another margin."""

Verdict: TypeAlias = Literal["improves", "worse", "equivalent", "inconclusive"]
PaperVerdict: TypeAlias = Literal["within interval", "above interval", "below interval"]


def decide(differences: ArrayLike, p_adjusted: float, margin: float = MARGIN) -> Verdict:
    """The word for a row whose paired `differences` [n] to its baseline are in points.

    "improves" and "worse": the 95 % paired-t interval leaves out 0 and `p_adjusted`, Holm's, is
    below 0.05. "equivalent": else, where two one-sided t-tests at 5 % put the true difference
    within ±`margin`. "inconclusive": all others.

    Raises:
        ValueError: `differences` is not a vector of finite numbers.
    """
    interval = mean_interval(differences, 1 - ALPHA)
    if interval is not None and p_adjusted < ALPHA:
        if interval[0] > 0:
            return "improves"
        if interval[1] < 0:
            return "worse"
    return "equivalent" if equivalent(differences, margin, ALPHA) else "inconclusive"


def against_paper(paper: float, test_selected: ArrayLike) -> PaperVerdict | None:
    """Where the published number lies against the 95 % t interval of ours; None for n < 2.

    `test_selected` [n] holds our accuracies at the epochs that test would choose, in the unit of
    `paper`, because that is how the published code chooses.
    """
    interval = mean_interval(test_selected, 1 - ALPHA)
    if interval is None:
        return None
    if paper > interval[1]:
        return "above interval"
    return "below interval" if paper < interval[0] else "within interval"
