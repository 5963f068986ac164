"""What a plan will cost and what it could find, from what was measured."""

from dataclasses import dataclass

import pandas as pd

from fdsweep.orchestrator.execution.cluster import (
    ResourceRequest,
    local_device,
    local_resources,
)
from fdsweep.orchestrator.execution.devices.budget import HOUR
from fdsweep.results.compute.statistics import detectable_effect, smallest_p
from fdsweep.search_spaces.trials import Plan, TrialConfig
from fdsweep.trainers.datasets import Dataset
from fdsweep.trainers.trials.probe import seconds_per_epoch


@dataclass(frozen=True, slots=True)
class Estimate:
    """Training time of a plan's rest, and the smallest effect that its seeds can detect.

    `seconds` and `device_hours` are None where nothing could be measured; `basis` says what was. A
    device is a GPU, or a core where there is none. `effect` is in standard deviations of the paired
    differences, at 80 % power and a level of 5 %.
    """

    seconds: float | None
    basis: str
    concurrent: int
    effect: float
    smallest_p: float
    device_hours: float | None = None


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
    trials = (*plan.teachers, *plan.students)
    per_epoch, basis = _per_epoch(trials, request, dataset, history)
    concurrent = 0 if request.joins else local_resources(request).concurrent
    seconds = hours = None
    if per_epoch is not None:
        work = [
            per_epoch * trial.config.network.optim.epochs * len(trial.seeds) for trial in trials
        ]
        hours = sum(work) * request.devices / HOUR
        if concurrent:
            seconds = max(sum(work) / concurrent, max(work, default=0.0))
    n = len(plan.seeds)
    return Estimate(seconds, basis, concurrent, detectable_effect(n), smallest_p(n), hours)


def _per_epoch(
    trials: tuple[TrialConfig, ...],
    request: ResourceRequest,
    dataset: Dataset,
    history: pd.DataFrame,
) -> tuple[float | None, str]:
    """Seconds that an epoch takes, if that can be known, and from what it is known."""
    known = history[history["dataset"] == dataset.info.name]
    if len(known):
        seconds = float((known["wall_seconds"] / known["epochs"]).median())
        return seconds, f"from {len(known)} finished replicates"
    if not trials or request.joins:
        return None, "nothing measured yet"
    trial = trials[-1]
    seconds = seconds_per_epoch(trial.config, dataset, trial.storage, local_device(request))
    return seconds, "from a few training steps and an evaluation measured just now"
