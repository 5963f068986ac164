"""Counts the device time of trials while Tune runs them."""

import time

from ray import tune
from ray.tune.experiment import Trial
from typing_extensions import override

from fdsweep.orchestrator.execution.devices.budget import Budget


class Meter(tune.Callback):  # type: ignore[misc]
    """Adds to `budget` what the running trials use of the devices that each of them holds."""

    def __init__(self, budget: Budget, devices: float) -> None:
        self.budget, self.devices = budget, devices
        self.looked = time.monotonic()

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles its callbacks; this one is of no use in another process

    @override
    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        now = time.monotonic()
        running = sum(trial.status == Trial.RUNNING for trial in trials)
        self.budget.spent += running * self.devices * (now - self.looked)
        self.looked = now
