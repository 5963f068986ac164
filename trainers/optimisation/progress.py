"""How far a training has come, as a schedule of the learning rate sees it."""

from dataclasses import dataclass

from fdsweep.search_spaces.configs import OptimConfig


@dataclass(frozen=True, slots=True)
class Progress:
    """The share of a training after its warm-up that is done, from 0 to below 1.

    Attributes:
        by_epoch: where the epoch began.
        by_step: where the step begins.
    """

    by_epoch: float
    by_step: float

    @classmethod
    def at(cls, optim: OptimConfig, epoch: int, step: int, steps: int) -> "Progress":
        """Before `step` of the `steps` of `epoch`, all counted from 0."""
        left = optim.epochs - optim.warmup_epochs
        return cls(
            by_epoch=max(0.0, epoch - optim.warmup_epochs) / left,
            by_step=max(0.0, epoch + step / steps - optim.warmup_epochs) / left,
        )
