"""What a plan will cost and what it could find, from what was measured."""

import time
from dataclasses import dataclass, replace

import pandas as pd
import torch

from fdsweep.orchestrator.execution.cluster import (
    ResourceRequest,
    local_device,
    local_resources,
)
from fdsweep.orchestrator.studies.plan import Plan
from fdsweep.results.compute.statistics import detectable_effect, smallest_p
from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers.datasets import Dataset, Fold

PROBE_STEPS, PROBE_SECONDS = 8, 2.0
"""A probe takes one step to warm up, then so many, or fewer where they take longer than that."""

PROBE_SAMPLES = 64


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
    per_epoch, basis = _per_epoch(trials, request, dataset, history)
    concurrent = 0 if request.joins else local_resources(request).concurrent
    seconds = None
    if per_epoch is not None and concurrent:
        work = [
            per_epoch * trial.config.network.optim.epochs * len(trial.seeds) for trial in trials
        ]
        seconds = max(sum(work) / concurrent, max(work, default=0.0))
    n = len(plan.seeds)
    return Estimate(seconds, basis, concurrent, detectable_effect(n), smallest_p(n))


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


def seconds_per_epoch(
    config: StudentConfig, dataset: Dataset, storage: str, device: torch.device
) -> float:
    """Seconds that an epoch of `config` takes on `device`, from a few steps of it.

    `storage` holds the checkpoints that networks start from.
    """
    from fdsweep.trainers.loop import evaluate, train_epoch
    from fdsweep.trainers.replicate import make_roles

    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        fold = dataset.folds(config.modalities)(0).to(device)
        untrained = replace(config, teacher_state="random")
        trial = TrialConfig(
            kind="student", key="", config=untrained, seeds=(0,), group="", storage=storage
        )
        size = config.network.optim.batch_size
        most = replace(fold, train=fold.train[: PROBE_STEPS * size])
        roles = make_roles(trial, dataset.info, most, 0)
        optimizer = torch.optim.SGD(roles.student.parameters(), lr=0.0)
        inputs = fold.inputs[config.network.modality]

        def steps(count: int) -> float:
            part: Fold = replace(fold, train=fold.train[: count * size])
            start = time.perf_counter()
            train_epoch(untrained, 0, 0, part, roles, optimizer)
            return (time.perf_counter() - start) / max(1, len(part.train) // size)

        first = steps(1)
        count = min(PROBE_STEPS, int(PROBE_SECONDS / first))
        training = (steps(count) if count else first) * max(1, len(fold.train) // size)
        few = fold.val[:PROBE_SAMPLES]
        start = time.perf_counter()
        evaluate(roles.student, roles.distiller, inputs, fold, few)
        per_sample = (time.perf_counter() - start) / len(few)
        return training + per_sample * (len(fold.val) + len(fold.test))
    finally:
        torch.set_num_threads(threads)
