"""Polynomial decay, stepped once per epoch: that of the FD-CMKD protocol."""

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers.optimisation import Progress, schedules


@schedules.register("polynomial", version=1)
def polynomial(progress: Progress, optim: OptimConfig) -> float:
    """(1 - share of the epochs that is done) ** power."""
    share: float = (1 - progress.by_epoch) ** optim.power
    return share
