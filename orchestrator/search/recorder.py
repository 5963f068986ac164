"""What becomes of a search's trials: a tracker's run, a line on the terminal, a record at the end.

The study itself is Optuna's and lasts; what is written here is told from it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from optuna.trial import FrozenTrial, TrialState

from fdsweep.orchestrator.bulletins.board import Board
from fdsweep.orchestrator.bulletins.record import Training
from fdsweep.orchestrator.search.optuna_study import End, Proposal, Proposer
from fdsweep.orchestrator.search.settings import PlannedSearch, SearchStudy
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Failure
from fdsweep.orchestrator.tracking.runs import Run, link, usage_points
from fdsweep.orchestrator.tracking.sync import keep
from fdsweep.orchestrator.tracking.tracker import Tracker
from fdsweep.results.records.searches import COST, Dimension, Search, SearchTrial, State
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.trainers.protocol.reports import PointReport

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


class PointRecorder:
    """An `Observer` of `search.searcher` that records everything and keeps the failures.

    Args:
        words: what each search is called for people, by its study's name.
        proposers: of all searches.
        store: where logs go.
        tracker: is told of every trial.
        name: of the searches together, the folder of their logs.
        metric: what scores are.
        title: of the searches, for people.
        dashboard: the address of Ray's, if there is one.
        copy: makes last what the studies were told; called before a trial counts as stored.
    """

    def __init__(
        self,
        words: Mapping[str, str],
        proposers: Sequence[Proposer],
        store: Store,
        tracker: Tracker,
        name: str,
        metric: str,
        title: str,
        dashboard: str = "",
        copy: Callable[[], None] = lambda: None,
    ) -> None:
        self.words, self.proposers, self.store, self.tracker = words, proposers, store, tracker
        self.name, self.metric, self.dashboard, self.copy = name, metric, dashboard, copy
        total = sum(proposer.total for proposer in proposers)
        self.progress = Progress(total, board=Board(store, name, title))
        self.failures: list[Failure] = []
        self.curves: dict[str, dict[int, float]] = {}
        self._count()

    def started(self, proposer: Proposer, proposal: Proposal) -> None:
        """Show the trial."""
        self.curves[proposal.key] = {}
        self.tracker.begin(self._run(proposer, proposal, link(self.dashboard)))
        self._count()
        self._show(proposer, proposal)

    def epoch(self, proposer: Proposer, proposal: Proposal, report: PointReport) -> None:
        """Show the epoch."""
        if proposal.key not in self.progress.counts.running:  # it goes on after an interruption
            self._show(proposer, proposal)
        value, epoch = fmean(report["values"]), report["epoch"]
        self.curves[proposal.key][epoch] = value  # again, if it was interrupted
        points = [(f"val_{self.metric}", value, epoch), *usage_points(report["usage"], epoch)]
        log = {"fdsweep.worker_log": report["log"]} if report["log"] else {}
        self.tracker.add((proposal.key, ""), points, log)
        self.progress.epoch(proposal.key, epoch, report["epochs"], value)

    def interrupted(self, proposer: Proposer, proposal: Proposal, words: str) -> None:
        """Say so."""
        self.progress.idle(proposal.key)
        self.progress.say(f"{self._name(proposer, proposal)}: {words}")

    def silent(self, proposer: Proposer, proposal: Proposal, seconds: float, *, over: bool) -> None:
        """Say so."""
        name = self._name(proposer, proposal)
        self.progress.silent(proposal.key, name, seconds, over=over)

    def keep(self, proposer: Proposer, proposal: Proposal, end: End) -> None:
        """Store the trial's run, and its log if it failed; the study has its numbers already."""
        name = self._name(proposer, proposal)
        state = "failed" if end.failure else "complete" if end.is_complete else "pruned"
        metric = f"val_{self.metric}"
        curve = [(metric, x, epoch) for epoch, x in self.curves[proposal.key].items()]
        run = replace(
            self._run(proposer, proposal, {"fdsweep.state": state}),
            metrics=[*curve, *((f"final_{name}", value, 0) for name, value, _ in curve[-1:])],
            seconds=end.report["seconds"] if end.report else 0.0,
            done=end.failure is None,
        )
        if end.failure:
            error, traceback = end.failure["error"], end.failure["traceback"]
            point = "\n".join(f"{option}: {value}" for option, value in proposal.point.items())
            self.store.write_text(self._log(proposal), f"{name}\n{point}\n{error}\n\n{traceback}")
        keep(self.store, self.name, run)
        self.copy()
        self.tracker.log(run)

    def ended(self, proposer: Proposer, proposal: Proposal, end: End) -> None:
        """Show the end of a trial."""
        name = self._name(proposer, proposal)
        del self.curves[proposal.key]
        self.progress.idle(proposal.key)
        self._count()
        if end.failure:
            error, log = end.failure["error"], self.store.uri(self._log(proposal))
            self.failures.append(Failure(name, None, error, log))
            self.progress.say(f"failed: {name}: {error}")
        elif end.is_complete and end.report:
            self.progress.reached(fmean(end.report["values"]), name)

    def _run(self, proposer: Proposer, proposal: Proposal, tags: Mapping[str, str]) -> Run:
        """The run of a trial, as far as it is known from its start, with more `tags`."""
        return Run(
            identity=(proposal.key, ""),
            name=self._name(proposer, proposal),
            tags={
                "fdsweep.kind": "trial",
                "fdsweep.key": proposal.key,
                "fdsweep.search": proposer.name,
                "fdsweep.trial": str(proposal.number),
                **tags,
            },
            params=proposal.point,
            metrics=[],
            seconds=0.0,
            done=False,
        )

    def _show(self, proposer: Proposer, proposal: Proposal) -> None:
        name, rungs = self._name(proposer, proposal), proposer.problem.rungs
        self.progress.running(proposal.key, Training(name=name, kind="point", rungs=rungs))

    def _log(self, proposal: Proposal) -> str:
        return layout.error_log(self.name, f"trial-{proposal.key}")

    def _name(self, proposer: Proposer, proposal: Proposal) -> str:
        return f"{self.words[proposer.name]}, trial {proposal.number}"

    def _count(self) -> None:
        trials = [trial for proposer in self.proposers for trial in proposer.trials()]
        states = [STATES[trial.state] for trial in trials]
        counts = self.progress.counts
        counts.done, counts.failed = states.count("complete"), states.count("failed")
        counts.pruned = states.count("pruned")


def to_record(study: SearchStudy, search: PlannedSearch, proposer: Proposer) -> Search:
    """The record of `search`, which `proposer` carried out."""
    single = len(search.cells) == 1
    metric = study.metric
    scores = (metric,) if single else tuple(f"{metric} {d}" for d in search.directions)
    objectives = (*scores, COST) if study.with_cost else scores
    trials = tuple(map(_trial, proposer.trials()))
    complete = [trial for trial in trials if trial.values]
    front = tuple(trial.number for trial in complete) if len(objectives) > 1 else ()
    if front:
        best = {trial.number for trial in proposer.study.best_trials}
        front = tuple(number for number in front if number in best)
    eligible = [trial for trial in complete if not front or trial.number in front]
    importances, importance_epoch = proposer.importances()

    def rank(trial: SearchTrial) -> tuple[float, int]:
        return fmean(trial.values[: len(scores)]), -trial.number

    return Search(
        name=proposer.name,
        space=study.settings.space.space,
        method=search.method,
        dataset=study.defaults.info.name,
        directions=search.directions,
        objectives=objectives,
        sampler=proposer.sampler,
        prunes=bool(proposer.problem.rungs),
        seeds=study.settings.tuning_seeds,
        epochs=search.cells[0].config.network.optim.epochs,
        asked=proposer.total,
        dimensions=tuple(
            Dimension(name=d.name, low=d.low, high=d.high, log=d.log, choices=d.choices)
            for d in proposer.problem.dimensions
        ),
        importances=importances,
        importance_epoch=importance_epoch,
        trials=trials,
        chosen=max(eligible, key=rank).number if eligible else None,
        default=0 if search.starts_at_default else None,
        front=front,
        infeasible=proposer.infeasible(),
    )


def _trial(trial: FrozenTrial) -> SearchTrial:
    attrs = trial.user_attrs
    values = tuple(trial.values) if trial.state == TrialState.COMPLETE else ()
    last = trial.last_step
    reached = values[0] if values else None if last is None else trial.intermediate_values[last]
    return SearchTrial(
        number=trial.number,
        state=STATES[trial.state],
        values=values,
        reached=reached,
        params=attrs.get("point", trial.params),
        epochs=attrs.get("epochs", 0),
        seconds=attrs.get("seconds", 0.0),
        source=attrs.get("source", "trained"),
        error=attrs.get("error", ""),
    )
