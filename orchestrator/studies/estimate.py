"""What a plan will cost and what it could find, from what was measured."""

import os
import time
from dataclasses import dataclass, replace

import pandas as pd
import torch

from fdsweep.orchestrator.execution.cluster import ResourcePlan, ResourceRequest, allot
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
    per_epoch, basis = _per_epoch(trials, dataset, history, not request.joins)
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
    here: bool,
) -> tuple[float | None, str]:
    known = history[history["dataset"] == dataset.info.name]
    if len(known):
        seconds = float((known["wall_seconds"] / known["epochs"]).median())
        return seconds, f"from {len(known)} finished replicates"
    if not trials or not here:
        return None, "nothing measured yet"
    seconds = probe(trials[-1].config, dataset)
    return seconds, "from a few training steps and an evaluation measured just now"


def probe(config: StudentConfig, dataset: Dataset) -> float:
    """Seconds that an epoch of `config` takes on one device here, from a few steps of it."""
    from fdsweep.trainers.loop import evaluate, train_epoch
    from fdsweep.trainers.replicate import make_roles

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        fold = dataset.folds(config.modalities)(0).to(device)
        untrained = replace(config, teacher_state="random")
        trial = TrialConfig(
            kind="student", key="", config=untrained, seeds=(0,), group="", storage="."
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
