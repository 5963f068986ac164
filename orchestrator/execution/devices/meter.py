"""What trials take while Tune runs them: device time, and their starts."""

import time
from dataclasses import dataclass
from statistics import median

from ray import tune
from ray.tune.experiment import Trial
from typing_extensions import override

from fdsweep.orchestrator.execution.devices import starts
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


@dataclass(slots=True)
class _Reports:
    """When a trial reported for the first and for the last time, and how often."""

    first: float
    last: float = 0.0
    count: int = 0

    def pace(self) -> float | None:
        """Seconds between two reports; None of one alone."""
        return (self.last - self.first) / (self.count - 1) if self.count > 1 else None


class Timer(tune.Callback):  # type: ignore[misc]
    """Tells what starts take from when trials report, and keeps it for the next estimate.

    A trial is taken to train from one report, an epoch, before its first one.

    Args:
        cluster: the address of the cluster, "" for one that was started here.
    """

    def __init__(self, cluster: str) -> None:
        self.cluster, self.opened = cluster, time.monotonic()
        self.places = 1
        self.reports: dict[str, _Reports] = {}

    def __getstate__(self) -> dict[str, object]:
        return {}  # as Meter

    @override
    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        running = sum(trial.status == Trial.RUNNING for trial in trials)
        self.places = max(self.places, running)

    @override
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: object, **info: object
    ) -> None:
        now = time.monotonic()
        one = self.reports.setdefault(trial.trial_id, _Reports(now))
        one.last, one.count = now, one.count + 1

    @override
    def on_experiment_end(self, trials: list[Trial], **info: object) -> None:
        if seen := self.seen():
            starts.keep(self.cluster, **seen)

    def seen(self) -> dict[str, float]:
        """Seconds that starts took, by their names in `Starts`; without those not seen."""
        reports = self.reports.values()
        paces = [pace for one in reports if (pace := one.pace()) is not None]
        if not paces:
            return {}
        usual = median(paces)
        begun = sorted(one.first - (one.pace() or usual) for one in reports)
        ended = sorted(one.last for one in reports)
        seen = {"first": median(begun[: self.places]) - self.opened}
        # As one ends, another begins in its place.
        if gaps := [b - e for b, e in zip(begun[self.places :], ended, strict=False)]:
            seen["later"] = median(gaps)
        return {name: max(0.0, seconds) for name, seconds in seen.items()}
