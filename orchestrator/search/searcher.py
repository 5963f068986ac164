"""Searches through Ray Tune: proposers propose, trials train, verdicts stop what is hopeless."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.search import Searcher

from fdsweep.orchestrator.execution.cluster import ResourcePlan
from fdsweep.orchestrator.execution.stages import Callback, fit
from fdsweep.orchestrator.execution.trial import fit_point, point_name
from fdsweep.orchestrator.search.optuna_study import Proposal, Proposer
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.trials import PointConfig


@dataclass(frozen=True, slots=True)
class Lane:
    """One study on its way through Tune.

    `make_point` gives what a proposal trains, `objectives` the study's values from an epoch's
    metrics.
    """

    proposer: Proposer
    make_point: Callable[[Proposal], PointConfig]
    objectives: Callable[[dict[str, Any]], tuple[float, ...]]


class Observer(Protocol):
    """Who is told what happens to the points of a search."""

    def started(self, proposer: Proposer, proposal: Proposal) -> None:
        """The point is about to be trained."""

    def epoch(self, proposer: Proposer, proposal: Proposal, metrics: dict[str, Any]) -> None:
        """An epoch was done: `epoch`, `epochs`, `values` and `seconds`."""

    def ended(
        self,
        proposer: Proposer,
        proposal: Proposal,
        metrics: dict[str, Any] | None,
        outcome: dict[str, Any] | None,
    ) -> None:
        """The point is done with: its last epoch's metrics, and its outcome unless it was pruned.

        A point that failed has an outcome with `error` and `traceback`.
        """


@ray.remote(num_cpus=0)
class StopSignals:
    """Passes the driver's word on a trial at a rung to the trial's workers."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, int], asyncio.Future[bool]] = {}

    def _future(self, key: str, epoch: int) -> "asyncio.Future[bool]":
        return self.given.setdefault((key, epoch), asyncio.get_running_loop().create_future())

    async def give(self, key: str, epoch: int, go_on: bool) -> None:
        """Say whether the point `key` goes on after `epoch`; a second word changes nothing."""
        future = self._future(key, epoch)
        if not future.done():
            future.set_result(go_on)

    async def wait(self, key: str, epoch: int) -> bool:
        """Whether the point `key` goes on after `epoch`, once the driver has said so."""
        return await asyncio.shield(self._future(key, epoch))


class StudySearcher(Searcher):  # type: ignore[misc]
    """Hands Tune the points of several studies, of the one with the fewest trials first.

    Args:
        lanes: one for each study.
        observer: who is told.
        give: passes on (key, epoch, whether to go on).
        deadline: time.monotonic() after which nothing new is proposed.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        observer: Observer,
        give: Callable[[str, int, bool], object],
        deadline: float | None = None,
    ) -> None:
        super().__init__()
        self.left, self.observer, self.give, self.deadline = list(lanes), observer, give, deadline
        self.running: dict[str, tuple[Lane, Proposal]] = {}
        self.last: dict[str, dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher; this one is of no use in another process

    def suggest(self, trial_id: str) -> Any:
        """See `Searcher.suggest`."""
        while self.left and (self.deadline is None or time.monotonic() < self.deadline):
            lane = min(self.left, key=lambda lane: len(lane.proposer.trials()))
            proposal = lane.proposer.ask()
            if proposal is None:
                self.left.remove(lane)
                continue
            self.running[trial_id] = lane, proposal
            self.observer.started(lane.proposer, proposal)
            return {"point": lane.make_point(proposal)}
        return Searcher.FINISHED

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report an epoch to the study; at a rung the workers wait for what it says."""
        lane, proposal = self.running[trial_id]
        if "epoch" not in result:
            self.last[trial_id] = {**self.last.get(trial_id, {}), "outcome": result["outcome"]}
            return
        self.last[trial_id] = result
        self.observer.epoch(lane.proposer, proposal, result)
        go_on = lane.proposer.report(proposal, result["epoch"], result["values"][0])
        if result["epoch"] in lane.proposer.problem.rungs:
            self.give(proposal.key, result["epoch"], go_on)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study how a trial ended; why it broke off is not known yet."""
        if not error:
            self.end(trial_id)

    def end(self, trial_id: str, error: str = "") -> None:
        """Tell the study and the observer of a trial's end; `error` is why it broke off."""
        if trial_id not in self.running:
            return
        lane, proposal = self.running.pop(trial_id)
        last = self.last.pop(trial_id, {})
        outcome = json.loads(last["outcome"]) if "outcome" in last else None
        if error and outcome is None:
            outcome = {"error": error.splitlines()[-1], "traceback": error}
        metrics = last if "epoch" in last else None
        spent = {"epochs": last["epoch"], "seconds": last["seconds"]} if metrics else {}
        if outcome is None:
            lane.proposer.tell(proposal, **spent)
        elif "error" in outcome:
            lane.proposer.tell(proposal, error=outcome["error"], **spent)
        else:
            lane.proposer.tell(proposal, values=lane.objectives(last), **spent)
        self.observer.ended(lane.proposer, proposal, metrics, outcome)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study itself lasts."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a search is gone on with by its study."""


class _Ends(Callback):
    """Clears up after trials, and tells the searcher why one broke off."""

    def __init__(self, searcher: StudySearcher) -> None:
        super().__init__()
        self.searcher = searcher

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Drop the checkpoints of a trial that needs none any more."""
        point = trial.config["point"]
        Storage(point.storage).delete_folder(layout.train_folder(point_name(point)))

    def broke_off(self, trial: Any, error: str) -> None:
        """Tell the study that a trial failed."""
        self.searcher.end(trial.trial_id, error)


def run_lanes(
    lanes: Sequence[Lane],
    allotment: ResourcePlan,
    storage: str,
    observer: Observer,
    deadline: float | None = None,
) -> None:
    """Train what the studies of `lanes` propose, until each has its trials or time is up."""
    verdicts = StopSignals.remote()  # type: ignore[attr-defined]
    searcher = StudySearcher(lanes, observer, verdicts.give.remote, deadline)
    fit(
        tune.with_parameters(fit_point, verdicts=verdicts, allotment=allotment),
        storage,
        _Ends(searcher),
        lambda trial: point_name(trial.config["point"]),
        tune.TuneConfig(
            search_alg=searcher, num_samples=-1, max_concurrent_trials=allotment.concurrent
        ),
    )
