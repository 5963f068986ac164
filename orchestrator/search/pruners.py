"""Pruners by name: what stops the trials of a search early. A new one is a new entry here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

MIN_JUDGED_EPOCH = 2
"""The epoch before which no trial is judged: after one, accuracies say little."""

REDUCTION = 3
"""Of the trials that reach a rung of ASHA, the share that goes on is one over this."""


@dataclass(frozen=True, slots=True)
class Pruner:
    """After which epochs trials wait for word whether to go on, and who gives it.

    Args:
        rungs: of a training of so many epochs, each below that number; in order.
        judge: made from the rungs.
    """

    rungs: Callable[[int], tuple[int, ...]]
    judge: Callable[[tuple[int, ...]], "BasePruner"]


def asha_rungs(epochs: int) -> tuple[int, ...]:
    """Epochs of asynchronous successive halving (ASHA, Li et al. 2020, arXiv 1810.05934).

    The first is a ninth of `epochs`, but not the first epoch, and each further one three times
    the one before; all are below `epochs`.

    Example:
        >>> asha_rungs(100)
        (12, 36)
    """
    first = max(MIN_JUDGED_EPOCH, -(-epochs // REDUCTION**2))
    steps = (first * REDUCTION**power for power in range(epochs))
    return tuple(step for step in steps if step < epochs)


def _asha(rungs: tuple[int, ...]) -> "BasePruner":
    from optuna.pruners import SuccessiveHalvingPruner

    if not rungs:
        return _nothing(rungs)
    return SuccessiveHalvingPruner(min_resource=rungs[0], reduction_factor=REDUCTION)


def _nothing(_: tuple[int, ...]) -> "BasePruner":
    from optuna.pruners import NopPruner

    return NopPruner()


DEFAULT, NONE = "asha", "none"
PRUNERS = {DEFAULT: Pruner(asha_rungs, _asha), NONE: Pruner(lambda _: (), _nothing)}
