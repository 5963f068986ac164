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
class _Seen:
    """A trial: seconds of the clock, and how often it has reported.

    It is `warm` if it begins in the processes of one that has ended.
    """

    asked: float
    warm: bool
    first: float = 0.0
    last: float = 0.0
    reports: int = 0
    over: float | None = None

    def pace(self) -> float | None:
        """Seconds from one report to the next; None of one alone."""
        return (self.last - self.first) / (self.reports - 1) if self.reports > 1 else None


class Timer(tune.Callback):  # type: ignore[misc]
    """Sees what starts of trials take, and keeps it for estimates.

    A trial is taken to train from the time of an epoch before its first report on.

    Args:
        cluster: the address of the cluster, "" for one that was started here.
    """

    def __init__(self, cluster: str) -> None:
        self.cluster, self.opened = cluster, time.monotonic()
        self.idle = 0
        self.trials: dict[str, _Seen] = {}

    def __getstate__(self) -> dict[str, object]:
        return {}  # as Meter

    @override
    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        for trial in trials:
            if trial.trial_id not in self.trials:
                warm = self.idle > 0
                self.idle -= warm
                self.trials[trial.trial_id] = _Seen(time.monotonic(), warm)

    @override
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: object, **info: object
    ) -> None:
        if one := self.trials.get(trial.trial_id):
            one.last = time.monotonic()
            one.first = one.first or one.last
            one.reports += 1

    @override
    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: object
    ) -> None:
        self.idle += 1  # Tune gives its process to another one, and so the workers'
        if one := self.trials.get(trial.trial_id):
            one.over = time.monotonic()

    @override
    def on_experiment_end(self, trials: list[Trial], **info: object) -> None:
        if seen := self.seen():
            starts.keep(self.cluster, **seen)

    def seen(self) -> dict[str, float]:
        """Seconds by their names in `Starts`; without those that were not seen."""
        told = [one for one in self.trials.values() if one.reports]
        paces = [pace for one in told if (pace := one.pace()) is not None]
        if not paces:
            return {}
        usual, took = median(paces), dict[bool, list[float]]({True: [], False: []})
        for one in told:
            took[one.warm].append(one.first - (one.pace() or usual) - one.asked)
        ends = [one.over - one.last for one in told if one.over is not None]
        seen = {}
        if cold := took[False]:
            seen["first"] = median(cold) + min(one.asked for one in told) - self.opened
        if took[True] and ends:
            seen["later"] = median(took[True]) + median(ends)
        return {name: max(0.0, seconds) for name, seconds in seen.items()}
