"""In which order trials run, and into how many trials a cell's seeds are split.

No device should idle at the end while another has a long trial left: the longest trials run first,
and where cells are few for the devices their seeds are split among several trials. Both change when
something is trained, and no number.
"""

import heapq
from collections.abc import Callable, Sequence

from fdsweep.search_spaces.trials import TrialConfig

START = 0.25
"""What starting a trial costs, in times of a replicate. That of a small network costs more, and
that of a large one next to nothing: what is chosen for this is good for either."""


def makespan(durations: Sequence[float], places: int) -> float:
    """When the last of `durations` ends, if each in turn begins as soon as one of `places` is free.

    Example:
        >>> makespan([3, 3, 2, 2, 2], 2), makespan([2, 2, 2, 3, 3], 2)
        (7, 7)
    """
    ends = [0.0] * places
    for duration in durations:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


def seeds_per_trial(cells: int, seeds: int, places: int) -> int:
    """How many seeds of each of so many `cells` share a trial, if `places` run at the same time.

    The most of those with which all is over first, each trial's start included. It depends on the
    whole study, finished or not, so that an interrupted trial is planned again as it was.
    """

    def over(size: int) -> float:
        whole, rest = divmod(seeds, size)
        groups = [size] * whole + ([rest] if rest else [])
        durations = [START + group for group in groups for _ in range(cells)]
        return makespan(sorted(durations, reverse=True), places)

    sizes = range(seeds, 0, -1)
    return min(sizes, key=over, default=1)


def longest_first(
    trials: Sequence[TrialConfig], pace: Callable[[TrialConfig], float]
) -> list[TrialConfig]:
    """`trials` in the order in which they should begin; equal ones stay in theirs.

    `pace` is what a replicate of a trial takes, in any unit.
    """
    return sorted(trials, key=lambda trial: -pace(trial) * len(trial.seeds))
