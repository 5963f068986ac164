"""Searches through Ray Tune: proposers propose, trials train, signals stop what is hopeless."""

import asyncio
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, cast

import ray
from ray.tune.experiment import Trial
from typing_extensions import override

from fdsweep.orchestrator.execution import checkpoints
from fdsweep.orchestrator.execution.cluster import ResourcePlan
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.stages import Callback, fit
from fdsweep.orchestrator.execution.trial import fit_point, point_name
from fdsweep.orchestrator.execution.turns import Queue
from fdsweep.orchestrator.search.optuna_study import End, Proposal, Proposer
from fdsweep.orchestrator.writer import Writer
from fdsweep.search_spaces.trials import PointConfig
from fdsweep.trainers.protocol.reports import Broken, PointFailure, PointReport


@dataclass(frozen=True, slots=True)
class Lane:
    """One study on its way through Tune.

    `make_point` gives what a proposal trains, `objectives` the study's values from the report of
    an epoch.
    """

    proposer: Proposer
    make_point: Callable[[Proposal], PointConfig]
    objectives: Callable[[PointReport], tuple[float, ...]]


class Observer(Protocol):
    """Who is told what happens to the points of a search, as `stages.Observer` is of a study's."""

    def started(self, proposer: Proposer, proposal: Proposal) -> None:
        """The point is about to be trained."""

    def epoch(self, proposer: Proposer, proposal: Proposal, report: PointReport) -> None:
        """An epoch was done."""

    def interrupted(self, proposer: Proposer, proposal: Proposal, words: str) -> None:
        """The point's training broke off and will be tried again; `words` say why, and when."""

    def silent(self, proposer: Proposer, proposal: Proposal, seconds: float, *, over: bool) -> None:
        """The point has taken no step for so long, or had not until now if that is `over`."""

    def keep(self, proposer: Proposer, proposal: Proposal, end: End) -> None:
        """Store for good how the point ended; it comes from a thread of the writer's."""

    def ended(self, proposer: Proposer, proposal: Proposal, end: End) -> None:
        """The point is done with, and that is stored."""


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


Told = ParamSpec("Told")


def ends_the_run(act: Callable[Told, None]) -> Callable[Told, None]:
    """Hand what a searcher's method raises to its writer: Tune would make a text of it."""

    @functools.wraps(act)
    def told(*args: Told.args, **kwargs: Told.kwargs) -> None:
        try:
            act(*args, **kwargs)
        except Exception as error:
            searcher = cast(StudySearcher, args[0])
            searcher.writer.fail(error)

    return told


class StudySearcher(Queue):
    """A queue of the points of several studies, of the one with the fewest trials first.

    Args:
        lanes: one for each study.
        room: how many trials may run at the same time.
        observer: who is told.
        give: passes on (key, epoch, whether to go on).
        writer: stores how points ended; in the study that is written at once, for the next point
            depends on it.
        deadline: time.monotonic() after which nothing new is proposed.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        room: Room,
        observer: Observer,
        give: Callable[[str, int, bool], object],
        writer: Writer,
        deadline: float | None = None,
    ) -> None:
        super().__init__(room)
        self.left, self.observer, self.give, self.deadline = list(lanes), observer, give, deadline
        self.writer = writer
        self.begun: dict[str, tuple[Lane, Proposal]] = {}
        self.reports: dict[str, PointReport] = {}
        self.outcomes: dict[str, str] = {}

    @override
    def new(self) -> dict[str, Any] | None:
        while self.left and (self.deadline is None or time.monotonic() < self.deadline):
            lane = min(self.left, key=lambda lane: len(lane.proposer.trials()))
            proposal = lane.proposer.ask()
            if proposal is None:
                self.left.remove(lane)
                continue
            self.begun[proposal.key] = lane, proposal
            self.observer.started(lane.proposer, proposal)
            return {"point": lane.make_point(proposal)}
        return None

    @override
    def folder(self, config: dict[str, Any]) -> tuple[str, str]:
        point: PointConfig = config["point"]
        return point.storage, point_name(point)

    @override
    def kind(self, config: dict[str, Any]) -> str:
        return "trial"

    @override
    @ends_the_run
    def on_trial_result(self, trial_id: str, result: PointReport | PointFailure) -> None:
        key = self.running[trial_id].config["point"].key
        lane, proposal = self.begun[key]
        if "outcome" in result:
            self.outcomes[key] = result["outcome"]
        if "epoch" not in result:
            return
        self.reports[key] = result
        self.observer.epoch(lane.proposer, proposal, result)
        go_on = lane.proposer.report(proposal, result["epoch"], result["values"][0])
        if result["epoch"] in lane.proposer.problem.rungs:
            self.give(key, result["epoch"], go_on)

    @override
    @ends_the_run
    def on_trial_complete(
        self, trial_id: str, result: dict[str, object] | None = None, error: bool = False
    ) -> None:
        job = self.running[trial_id]
        super().on_trial_complete(trial_id, result, error)
        if not error:
            self.end(job.config["point"].key)

    def end(self, key: str, failure: Broken | None = None) -> None:
        """Tell the study and the observer of the end of a point; `failure` is why it broke off."""
        lane, proposal = self.begun.pop(key)
        end = _end(self.reports.pop(key, None), self.outcomes.pop(key, ""), failure)
        lane.proposer.tell(
            proposal,
            values=lane.objectives(end.report) if end.report and end.is_complete else (),
            error=end.failure["error"] if end.failure else "",
            epochs=end.report["epoch"] if end.report else 0,
            seconds=end.report["seconds"] if end.report else 0.0,
        )
        told = lane.proposer, proposal, end
        self.writer.submit(
            functools.partial(self.observer.keep, *told),
            functools.partial(self.observer.ended, *told),
        )


def _end(report: PointReport | None, outcome: str, failure: Broken | None) -> End:
    """The end of a point that gave an `outcome` (JSON text), or broke off with a `failure`."""
    if not outcome:
        return End(report, failure=failure)
    told = json.loads(outcome)
    return End(report, failure=told) if "error" in told else End(report, outcome=told)


class _Ends(Callback):
    """Clears up after trials, and tells the searcher and its observer of those that broke off."""

    queue: StudySearcher

    @override
    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: object
    ) -> None:
        self.writer.submit(functools.partial(checkpoints.drop, *self.queue.folder(trial.config)))

    @override
    def silent(self, trial: Trial, seconds: float, *, over: bool) -> None:
        lane, proposal = self.queue.begun[trial.config["point"].key]
        self.queue.observer.silent(lane.proposer, proposal, seconds, over=over)

    @override
    def interrupted(self, trial: Trial, words: str) -> None:
        lane, proposal = self.queue.begun[trial.config["point"].key]
        self.queue.observer.interrupted(lane.proposer, proposal, words)

    @override
    def failed(self, trial: Trial, end: Broken) -> None:
        self.queue.end(trial.config["point"].key, end)


def run_lanes(
    lanes: Sequence[Lane],
    resources: ResourcePlan,
    storage: str,
    observer: Observer,
    deadline: float | None = None,
) -> None:
    """Train what the studies of `lanes` propose, until each has its trials or time is up."""
    signals = StopSignals.remote()  # type: ignore[attr-defined]
    room = Room(resources)
    with Writer() as writer:
        searcher = StudySearcher(lanes, room, observer, signals.give.remote, writer, deadline)
        fit(fit_point, resources, storage, _Ends(searcher, writer), signals=signals)
