"""Polynomial decay, stepped after every batch, as is usual for semantic segmentation."""

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers.optimisation import Progress, schedules


@schedules.register("polynomial-per-step", version=1)
def polynomial_per_step(progress: Progress, optim: OptimConfig) -> float:
    """(1 - share of the steps that is done) ** power."""
    share: float = (1 - progress.by_step) ** optim.power
    return share
