"""What a plan will cost and what it could find, from what was measured."""

import os
from dataclasses import dataclass

import pandas as pd
import torch

from fdsweep.orchestrator.execution.cluster import ResourcePlan, ResourceRequest, allot
from fdsweep.orchestrator.studies.plan import Plan
from fdsweep.results.compute.statistics import detectable_effect, smallest_p
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers.datasets import Dataset
from fdsweep.trainers.protocol.probe import seconds_per_epoch


@dataclass(frozen=True, slots=True)
class Estimate:
    """Training time of a plan's rest, and the smallest effect that its seeds can detect.

    `seconds` is None where nothing could be measured; `basis` says what was. `effect` is in
    standard deviations of the paired differences, at 80 % power and a level of 5 %.
    """

    seconds: float | None
    basis: str
    concurrent: int
    effect: float
    smallest_p: float


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
    per_epoch, basis = _per_epoch(trials, dataset, history, request)
    allotment = None if request.joins else local_allotment(request)
    concurrent = allotment.concurrent if allotment else 0
    seconds = None
    if per_epoch is not None and allotment:
        work = [
            per_epoch * trial.config.network.optim.epochs * len(trial.seeds) for trial in trials
        ]
        seconds = max(sum(work) / concurrent, max(work, default=0.0))
    n = len(plan.seeds)
    return Estimate(seconds, basis, concurrent, detectable_effect(n), smallest_p(n))


def local_allotment(request: ResourceRequest) -> ResourcePlan:
    """How trials share this machine, without starting Ray."""
    return allot(request, float(os.cpu_count() or 1), float(torch.cuda.device_count()))


def _per_epoch(
    trials: tuple[TrialConfig, ...],
    dataset: Dataset,
    history: pd.DataFrame,
    request: ResourceRequest,
) -> tuple[float | None, str]:
    known = history[history["dataset"] == dataset.info.name]
    if len(known):
        seconds = float((known["wall_seconds"] / known["epochs"]).median())
        return seconds, f"from {len(known)} finished replicates"
    if not trials or request.joins:
        return None, "nothing measured yet"
    device = torch.device("cuda" if torch.cuda.is_available() and request.gpus != 0 else "cpu")
    seconds = seconds_per_epoch(trials[-1].config, dataset, trials[-1].storage, device)
    return seconds, "from a few training steps and an evaluation measured just now"
