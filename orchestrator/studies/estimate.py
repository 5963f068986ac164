"""What a plan will cost and what it could find, from what was measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from fdsweep.orchestrator.bulletins.record import clock
from fdsweep.orchestrator.execution.cluster import (
    ResourceRequest,
    local_device,
    local_resources,
)
from fdsweep.orchestrator.execution.devices.budget import HOUR, spell_hours
from fdsweep.orchestrator.execution.devices.schedule import makespan
from fdsweep.orchestrator.execution.devices.sharing import paces
from fdsweep.orchestrator.execution.devices.starts import Starts
from fdsweep.results.compute.statistics import detectable_effect, smallest_p
from fdsweep.search_spaces.trials import Plan, TrialConfig
from fdsweep.trainers.datasets import Dataset
from fdsweep.trainers.trials.probe import seconds_per_epoch

Pace = Callable[[TrialConfig], float]
"""Seconds of an epoch of a trial."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan's rest takes, and the smallest effect that its seeds can detect.

    Attributes:
        seconds: of training, on all devices at once; None where nothing could be measured.
        basis: what was measured.
        concurrent: how many trials train at a time.
        effect: in standard deviations of the paired differences, at 80 % power and a level of 5 %.
        smallest_p: that the sign-flip test can give.
        device_hours: of training; a device is a GPU, or a core where there is none.
        starts: seconds that starts of Ray, of processes and of trials add, and the report.
        starts_seen: whether these go by the last starts, or by a guess.
    """

    seconds: float | None
    basis: str
    concurrent: int
    effect: float
    smallest_p: float
    device_hours: float | None = None
    starts: float | None = None
    starts_seen: bool = False

    def words(self, about: str = "about") -> str:
        """The time in a line for a person."""
        hours = (
            None if self.device_hours is None else f"{spell_hours(self.device_hours)} device hours"
        )
        if self.seconds is not None and self.starts is not None:
            guess = "by the last starts here" if self.starts_seen else "a guess: none were seen yet"
            return (
                f"training time {about} {clock(self.seconds)} with {self.concurrent} trials at a "
                f"time, {hours} ({self.basis}); starts and the report add "
                f"{clock(self.starts)} ({guess}): {clock(self.seconds + self.starts)} in all"
            )
        return (
            f"{about} {hours} ({self.basis})" if hours else f"training time unknown: {self.basis}"
        )


def estimate(
    plan: Plan, request: ResourceRequest, dataset: Dataset, history: pd.DataFrame
) -> Estimate:
    """Estimate `plan` from finished rows of `results/`, or from a few steps taken now.

    Args:
        plan: what is left to train.
        request: the cluster asked for; for one that is joined nothing is measured here.
        dataset: that of the plan.
        history: rows of `results/` with status "done".
    """
    pace, basis = _pace((*plan.teachers, *plan.students), request, dataset, history)
    starts = Starts.last(request.cluster)
    places = 0 if request.joins else local_resources(request).concurrent
    seconds = added = hours = None
    if pace is not None:
        stages = [
            sorted((_work(trial, pace) for trial in stage), reverse=True)
            for stage in (plan.teachers, plan.students)
            if stage
        ]
        hours = sum(map(sum, stages)) * request.devices / HOUR
        if places:
            seconds = sum(makespan(stage, places) for stage in stages)
            added = starts.ray + starts.report - seconds
            warm = 0
            for stage in stages:
                added += makespan(_started(stage, warm, places, starts), places)
                warm = max(warm, min(len(stage), places))
    n = len(plan.seeds)
    return Estimate(
        seconds=seconds,
        basis=basis,
        concurrent=places,
        effect=detectable_effect(n),
        smallest_p=smallest_p(n),
        device_hours=hours,
        starts=added,
        starts_seen=starts.seen,
    )


def _work(trial: TrialConfig, pace: Pace) -> float:
    """Seconds of training of `trial`."""
    return pace(trial) * trial.config.network.optim.epochs * len(trial.seeds)


def _started(stage: Sequence[float], warm: int, places: int, starts: Starts) -> list[float]:
    """Seconds of each trial of a `stage` with its start; `warm` places have processes already."""
    return [
        work + (starts.first if warm <= number < places else starts.later)
        for number, work in enumerate(stage)
    ]


def _pace(
    trials: tuple[TrialConfig, ...],
    request: ResourceRequest,
    dataset: Dataset,
    history: pd.DataFrame,
) -> tuple[Pace | None, str]:
    """Seconds that epochs take, if that can be known, and from what it is known."""
    known = history[history["dataset"] == dataset.info.name]
    if len(known):
        return paces(known), f"from {len(known)} finished replicates"
    if not trials or request.joins:
        return None, "nothing measured yet"
    trial = trials[-1]
    seconds = seconds_per_epoch(trial.config, dataset, trial.storage, local_device(request))
    basis = "from a few training steps and an evaluation measured just now"
    return lambda _: seconds, basis
