"""Half a wave of a cosine, stepped after every batch (Loshchilov and Hutter, 2017, no restarts)."""

import math

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers.optimisation import Progress, schedules


@schedules.register("cosine", version=1)
def cosine(progress: Progress, _optim: OptimConfig) -> float:
    """(1 + cos(pi * share of the steps that is done)) / 2."""
    return (1 + math.cos(math.pi * progress.by_step)) / 2
