"""Searches through Ray Tune: proposers propose, trials train, signals stop what is hopeless."""

import asyncio
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, Protocol, cast

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from typing_extensions import override

from fdsweep.orchestrator.execution import checkpoints
from fdsweep.orchestrator.execution.cluster import ResourcePlan
from fdsweep.orchestrator.execution.stages import Callback, fit
from fdsweep.orchestrator.execution.trial import fit_point, point_name
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


class StudySearcher(Searcher):  # type: ignore[misc]
    """Hands Tune the points of several studies, of the one with the fewest trials first.

    Args:
        lanes: one for each study.
        observer: who is told.
        give: passes on (key, epoch, whether to go on).
        writer: stores how points ended; in the study that is written at once, for the next point
            depends on it.
        deadline: time.monotonic() after which nothing new is proposed.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        observer: Observer,
        give: Callable[[str, int, bool], object],
        writer: Writer,
        deadline: float | None = None,
    ) -> None:
        super().__init__()
        self.left, self.observer, self.give, self.deadline = list(lanes), observer, give, deadline
        self.writer = writer
        self.running: dict[str, tuple[Lane, Proposal]] = {}
        self.reports: dict[str, PointReport] = {}
        self.outcomes: dict[str, str] = {}

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles its searcher; this one is of no use in another process

    @override
    def suggest(self, trial_id: str) -> dict[str, PointConfig] | str:
        while self.left and (self.deadline is None or time.monotonic() < self.deadline):
            lane = min(self.left, key=lambda lane: len(lane.proposer.trials()))
            proposal = lane.proposer.ask()
            if proposal is None:
                self.left.remove(lane)
                continue
            self.running[trial_id] = lane, proposal
            self.observer.started(lane.proposer, proposal)
            point = lane.make_point(proposal)
            checkpoints.drop_damaged(point.storage, point_name(point))
            return {"point": point}
        finished: str = Searcher.FINISHED
        return finished

    @override
    @ends_the_run
    def on_trial_result(self, trial_id: str, result: PointReport | PointFailure) -> None:
        lane, proposal = self.running[trial_id]
        if "outcome" in result:
            self.outcomes[trial_id] = result["outcome"]
        if "epoch" not in result:
            return
        self.reports[trial_id] = result
        self.observer.epoch(lane.proposer, proposal, result)
        go_on = lane.proposer.report(proposal, result["epoch"], result["values"][0])
        if result["epoch"] in lane.proposer.problem.rungs:
            self.give(proposal.key, result["epoch"], go_on)

    @override
    @ends_the_run
    def on_trial_complete(
        self, trial_id: str, result: dict[str, object] | None = None, error: bool = False
    ) -> None:
        if not error:  # why a trial broke off is not known yet
            self.end(trial_id)

    def end(self, trial_id: str, error: str = "") -> None:
        """Tell the study and the observer of a trial's end; `error` is why it broke off."""
        if trial_id not in self.running:
            return
        lane, proposal = self.running.pop(trial_id)
        end = _end(self.reports.pop(trial_id, None), self.outcomes.pop(trial_id, ""), error)
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

    @override
    def save(self, checkpoint_path: str) -> None:
        pass  # the study itself lasts

    @override
    def restore(self, checkpoint_path: str) -> None:
        pass  # a search is gone on with by its study


def _end(report: PointReport | None, outcome: str, error: str) -> End:
    """The end of a point that gave an `outcome` (JSON text), or broke off with an `error`."""
    if not outcome:
        failure = Broken(error=error.splitlines()[-1], traceback=error) if error else None
        return End(report, failure=failure)
    told = json.loads(outcome)
    return End(report, failure=told) if "error" in told else End(report, outcome=told)


class _Ends(Callback):
    """Clears up after trials, and tells the searcher why one broke off."""

    def __init__(self, searcher: StudySearcher, writer: Writer) -> None:
        super().__init__(writer)
        self.searcher = searcher

    @override
    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: object
    ) -> None:
        point: PointConfig = trial.config["point"]
        self.writer.submit(functools.partial(checkpoints.drop, point.storage, point_name(point)))

    @override
    def silent(self, trial: Trial, seconds: float, *, over: bool) -> None:
        lane, proposal = self.searcher.running[trial.trial_id]
        self.searcher.observer.silent(lane.proposer, proposal, seconds, over=over)

    @override
    def broke_off(self, trial: Trial, error: str) -> None:
        self.searcher.end(trial.trial_id, error)


def run_lanes(
    lanes: Sequence[Lane],
    resources: ResourcePlan,
    storage: str,
    observer: Observer,
    deadline: float | None = None,
) -> None:
    """Train what the studies of `lanes` propose, until each has its trials or time is up."""
    signals = StopSignals.remote()  # type: ignore[attr-defined]
    with Writer() as writer:
        searcher = StudySearcher(lanes, observer, signals.give.remote, writer, deadline)
        fit(
            tune.with_parameters(fit_point, signals=signals, resources=resources),
            resources,
            storage,
            _Ends(searcher, writer),
            lambda trial: point_name(trial.config["point"]),
            tune.TuneConfig(
                search_alg=searcher, num_samples=-1, max_concurrent_trials=resources.concurrent
            ),
        )
