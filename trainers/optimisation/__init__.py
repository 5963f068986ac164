"""How weights are moved: optimisers and schedules of the learning rate, one module each.

They are found through the registries here or the entry points `fdsweep.optimizers` and
`fdsweep.schedules`. An optimiser is a function of the parameters and the `OptimConfig`; a schedule
one of `Progress` and the `OptimConfig`, see `learning_rate`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torch import nn
from torch.optim import Optimizer

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers.optimisation.progress import Progress
from fdsweep.trainers.registry import Registry

__all__ = [
    "Progress",
    "fused",
    "learning_rate",
    "make_optimizer",
    "optimizers",
    "schedules",
    "versioned",
]

optimizers: Registry[Optimizer] = Registry(
    "optimizer", "fdsweep.trainers.optimisation", "fdsweep.optimizers"
)
schedules: Registry[float] = Registry(
    "schedule", "fdsweep.trainers.optimisation", "fdsweep.schedules"
)


def versioned(optim: OptimConfig) -> OptimConfig:
    """`optim` with the declared versions of its parts; ConfigError for one that does not exist."""
    return replace(
        optim,
        optimizer_version=optimizers.get(optim.optimizer).version,
        schedule_version=schedules.get(optim.schedule).version,
    )


def make_optimizer(optim: OptimConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimiser that `optim` names, with `parameters` in one group."""
    return optimizers.get(optim.optimizer).factory(parameters, optim)


def fused(parameters: Sequence[nn.Parameter]) -> bool | None:
    """True where torch moves all `parameters` in one go: on GPUs; else its own choice."""
    return True if all(x.is_cuda for x in parameters) else None


def learning_rate(optim: OptimConfig, epoch: int, step: int, steps: int) -> float:
    """The learning rate of `step` of the `steps` of `epoch`, all counted from 0.

    In the warm-up it rises step by step in a straight line, to `optim.lr` at the last. The
    schedule then says which share of the way from `final_lr` up to `lr` is left.

    Example:
        >>> learning_rate(OptimConfig(epochs=2, lr=0.1), epoch=0, step=3, steps=4)
        0.1
        >>> learning_rate(OptimConfig(epochs=2, lr=0.1, warmup_epochs=1.0), 0, 1, 4)
        0.05
    """
    warmup, done = optim.warmup_epochs * steps, epoch * steps + step
    if done < warmup:
        return optim.lr * min(1.0, (done + 1) / warmup)
    share = schedules.get(optim.schedule).factory(Progress.at(optim, epoch, step, steps), optim)
    return optim.final_lr + (optim.lr - optim.final_lr) * share
