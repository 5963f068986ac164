"""`fdsweep search`: tune on validation with some seeds, then compare on fresh ones.

A search is one Optuna study per method and direction (or per method, over its directions at once).
What it chose is evaluated beside the method's default as an ordinary study.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import filelock
import optuna
from sqlalchemy.exc import SQLAlchemyError

from fdsweep.orchestrator.bulletins.board import Board
from fdsweep.orchestrator.execution.cluster import check_nodes, connect
from fdsweep.orchestrator.execution.devices.sharing import shared_out
from fdsweep.orchestrator.execution.leases import may_be_trained
from fdsweep.orchestrator.search.journal import Journal
from fdsweep.orchestrator.search.optuna_study import Goal, Point, Problem, Proposal, Proposer
from fdsweep.orchestrator.search.pruners import PRUNERS
from fdsweep.orchestrator.search.recorder import PointRecorder, to_record
from fdsweep.orchestrator.search.settings import PlannedSearch, SearchStudy, tuning_plan
from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.study import Outcome, Study
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Failure, Recorder
from fdsweep.orchestrator.tracking.tracker import Tracker, open_tracker
from fdsweep.results.document import Report
from fdsweep.results.records import searches
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.errors import LostClusterError, ReplicateError, StorageError, first_line
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.storage import Storage, tell_once
from fdsweep.search_spaces.sweep import Row, override, with_aa
from fdsweep.search_spaces.trials import PointConfig
from fdsweep.trainers import datasets
from fdsweep.trainers.protocol.reports import PointReport

if TYPE_CHECKING:
    from fdsweep.orchestrator.search.searcher import Lane


def run(study: SearchStudy) -> Outcome:
    """Search, evaluate what was chosen on fresh seeds, and report.

    If the cluster is lost during the search, the report is of the trials so far.

    Raises:
        ClusterError: the devices asked for are not there.
        ReplicateError: no trial of a search was completed, or its teacher failed.
        StorageError: another driver has the same search, or it cannot be written down.
    """
    root = study.defaults.store.root
    store = study.defaults.store
    with _alone(store, study.searches), _kept(store), _opened(store, study.searches) as opened:
        lanes = _lanes(study, opened)
        tags = {"fdsweep.study": "tuning", "fdsweep.dataset": study.defaults.info.name}
        with open_tracker(root, study.name, tags) as tracker:
            is_new = not all(lane.proposer.is_done for lane in lanes)
            try:
                failures = _tune(study, lanes, tracker, opened.copy) if is_new else ()
            except LostClusterError as error:
                records = [
                    to_record(study, s, lane.proposer)
                    for s, lane in zip(study.searches, lanes, strict=True)
                ]
                return Outcome(Report(study.name, (), tuple(records)), (studies.loss(error),), {})
            found = [_recorded(study, *pair) for pair in zip(study.searches, lanes, strict=True)]
            evaluation = _evaluation(study, found)
            searches.save(evaluation.store, evaluation.plan.sweep, found)
            outcome = studies.run(evaluation)
            if is_new:
                best = {s.name: value for s in found if (value := _best(s)) is not None}
                tracker.finish({}, best, outcome.pictures)
    left = sum(lane.proposer.total - len(lane.proposer.trials()) for lane in lanes)
    unfinished = study.defaults.options.request.budget.words(left, "trials of the search")
    return replace(
        outcome,
        failures=(*failures, *outcome.failures),
        unfinished=unfinished or outcome.unfinished,
    )


def _tune(
    study: SearchStudy,
    lanes: "Sequence[Lane]",
    tracker: Tracker,
    copy: Callable[[], None],
) -> tuple[Failure, ...]:
    """Run the searches as far as their budget goes; the trials that failed."""
    settings, fresh = study.settings, study.defaults

    def meanwhile() -> None:  # nobody else has the search
        tracker.end_lost(may_be_trained(fresh.store.root, trials=False))

    resources = connect(fresh.options.request, meanwhile)
    check_nodes(fresh.options.request, resources.nodes, fresh.store)
    from fdsweep.orchestrator.execution.driver.watch import attended
    from fdsweep.orchestrator.execution.ray_compat import head
    from fdsweep.orchestrator.execution.stages import run_plan
    from fdsweep.orchestrator.search.searcher import run_lanes

    plan = replace(tuning_plan(study), sweep=study.name, students=())
    plan = shared_out(plan, fresh.store, resources.concurrent, fresh.options.seeds_per_trial)
    devices = fresh.options.request.devices
    title = settings.space.title
    board = Board(fresh.store, study.name, f"{title}: teachers first")
    progress = Progress(plan.left, board=board)
    recorder = Recorder(fresh.sweep, plan, fresh.store, tracker, progress, devices)
    recorder.dashboard = head.dashboard()
    if plan.left:
        with recorder.progress, attended():
            run_plan(plan, resources, fresh.store.root, recorder)
    if recorder.failures:
        worst = recorder.failures[0]
        raise ReplicateError(
            f"a teacher failed ({worst.error})", f"{worst.name}, seed {worst.seed}", worst.log
        )
    words = {lane.proposer.name: s.words for lane, s in zip(lanes, study.searches, strict=True)}
    proposers = [lane.proposer for lane in lanes]
    observer = PointRecorder(
        words,
        proposers,
        fresh.store,
        tracker,
        study.name,
        study.metric,
        title,
        recorder.dashboard,
        copy,
    )
    deadline = None if settings.minutes is None else time.monotonic() + 60 * settings.minutes
    with observer.progress, attended():
        run_lanes(lanes, resources, fresh.store.root, observer, deadline)
    return tuple(observer.failures)


@dataclass(frozen=True, slots=True)
class _Opened:
    """Where the searches' Optuna studies are: in one database, or in a journal each.

    `journals` are by the searches' names; with them `database` is None.
    """

    database: optuna.storages.BaseStorage | None
    journals: Mapping[str, Journal]

    def of(self, search: str) -> optuna.storages.BaseStorage:
        """The one that has the study of `search`."""
        return self.database or optuna.storages.JournalStorage(self.journals[search])

    def copy(self) -> None:
        """See to it that what the studies were told lasts; StorageError if it cannot."""
        for journal in self.journals.values():
            journal.copy()


@contextlib.contextmanager
def _opened(store: Storage, found: Sequence[PlannedSearch]) -> Iterator[_Opened]:
    """Open the studies; in the end all that they were told is in the storage.

    Raises:
        StorageError: they cannot be read or written.
    """
    if store.is_local:
        yield _Opened(optuna.storages.RDBStorage(f"sqlite:///{whole_database(store)}"), {})
        return
    tell_once(f"{store.uri('optuna')}: the search lives in this process, with a copy there.")
    with contextlib.ExitStack() as stack:
        names = dict.fromkeys(search.name for search in found)
        yield _Opened(None, {x: stack.enter_context(Journal(store, x)) for x in names})


def _lanes(study: SearchStudy, opened: _Opened) -> "list[Lane]":
    from fdsweep.orchestrator.search.searcher import Lane

    settings, store = study.settings, study.defaults.store

    def lane(search: PlannedSearch) -> "Lane":
        def key_of(point: Point) -> str:
            return content_key(
                keys=[c.key for c in study.configs(search, point)], seeds=settings.tuning_seeds
            )

        def look_up(point: Point) -> tuple[float, ...] | None:
            return None if study.with_cost else _known(study, study.configs(search, point))

        def make_point(proposal: Proposal) -> PointConfig:
            return PointConfig(
                key=proposal.key,
                configs=study.configs(search, proposal.point),
                seeds=settings.tuning_seeds,
                rungs=rungs,
                storage=store.root,
                loading=study.defaults.options.loading,
            )

        def objectives(report: PointReport) -> tuple[float, ...]:
            values = report["values"]
            replicates = len(values) * len(settings.tuning_seeds)
            cost = report["seconds"] / report["epoch"] / replicates
            return (*values, cost) if study.with_cost else tuple(values)

        goals: tuple[Goal, ...] = tuple("maximize" for _ in search.cells)
        if study.with_cost:
            goals = (*goals, "minimize")
        epochs = search.cells[0].config.network.optim.epochs
        rungs = PRUNERS[study.pruner].rungs(epochs)
        problem = Problem(
            dimensions=search.dimensions,
            constraints=settings.space.constraints,
            defaults=search.defaults,
            objectives=goals,
            rungs=rungs,
            pruner=study.pruner,
            key_of=key_of,
            look_up=look_up,
        )
        kept = opened.of(search.name)
        proposer = Proposer(kept, search.name, problem, settings.trials, settings.sampler)
        return Lane(proposer, make_point, objectives)

    return [lane(search) for search in study.searches]


def whole_database(store: Storage) -> Path:
    """Where the searches' studies are, or will be: a damaged database is set aside."""
    path = store.local(layout.OPTUNA_DATABASE)
    if path.exists() and not _is_whole(path):
        store.set_aside(layout.OPTUNA_DATABASE, "no whole database; its searches start again")
        for ending in ("-journal", "-wal", "-shm"):  # of the old one: SQLite would apply them
            path.with_name(path.name + ending).unlink(missing_ok=True)
    return path


def _is_whole(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            return connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        except sqlite3.OperationalError:
            return True  # locked, or out of reach: Optuna says so itself
        except sqlite3.DatabaseError:
            return False


def _known(study: SearchStudy, configs: Sequence[StudentConfig]) -> tuple[float, ...] | None:
    """Mean validation score of each configuration, if replicates of all seeds are stored."""
    rows = study.defaults.store.replicates({config.key for config in configs})
    rows = rows[(rows["status"] == "done") & rows["seed"].isin(study.settings.tuning_seeds)]
    known = dict(list(rows.groupby("key")["val_score"]))
    if any(len(known.get(config.key, ())) < len(study.settings.tuning_seeds) for config in configs):
        return None
    return tuple(float(known[config.key].mean()) for config in configs)


def _recorded(study: SearchStudy, search: PlannedSearch, lane: "Lane") -> searches.Search:
    record = to_record(study, search, lane.proposer)
    if record.chosen is None:
        states = ", ".join(f"{n} {state}" for state, n in searches.counts(record).items())
        fix = "Give more --trials or another --space"
        if study.defaults.options.request.budget.is_spent:
            fix = "The device hours are spent: type the same command again"
        raise ReplicateError(
            f"no trial was completed ({states or 'none begun'})", search.words, fix
        )
    return record.replace(notes=tuple(_notes(study, record)))


def _notes(study: SearchStudy, record: searches.Search) -> Iterator[str]:
    if record.chosen == record.default:
        yield "No trial was better than the default."
    share = seen(
        study.defaults.dataset,
        study.defaults.plan.cells[0].config.modalities,
        study.settings.tuning_seeds,
        study.defaults.sweep.seeds,
    )
    if share:
        yield (
            f"Splits differ between seeds: {100 * share:.0f} % of the fresh seeds' test samples "
            "were trained or validated on with a tuning seed, so the choice is not quite blind."
        )


def seen(
    dataset: datasets.Dataset,
    modalities: Sequence[str],
    tuning: Sequence[int],
    fresh: Sequence[int],
) -> float:
    """Share of the `fresh` seeds' test samples that training or validation of `tuning` holds."""
    fold_of = dataset.folds(tuple(modalities))
    used: set[int] = set()
    for seed in tuning:
        fold = fold_of(seed)
        used.update(fold.train.tolist(), fold.val.tolist())
    return fmean(i in used for seed in fresh for i in fold_of(seed).test.tolist())


def _evaluation(study: SearchStudy, found: Sequence[searches.Search]) -> Study:
    """The study that compares each method's default with what was chosen."""
    base = study.defaults.sweep
    rows: list[Row] = []
    for default in base.rows:
        rows.append(default)
        for search, record in zip(study.searches, found, strict=True):
            chosen = searches.find(record, record.chosen)
            if search.method == default.method and chosen:
                rows.append(search.row(chosen.params, f"{search.method}, tuned"))
    sweep = override(base, rows=[row.model_dump() for row in rows])
    if study.settings.aa:
        sweep = with_aa(sweep)
    return studies.prepare(sweep, study.defaults.options)


def _best(search: searches.Search) -> float | None:
    chosen = searches.find(search, search.chosen)
    return chosen.values[0] if chosen else None


@contextlib.contextmanager
def _kept(store: Storage) -> Iterator[None]:
    """Say in a sentence why the searches' studies cannot be written.

    Raises:
        StorageError: in place of what Optuna raises.
    """
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        what = f"the search cannot be written down ({first_line(error.__cause__ or error)})"
        fix = "Put that right, then type the same command again: what is stored counts"
        raise StorageError(what, store.uri(layout.OPTUNA_DATABASE), fix) from None


@contextlib.contextmanager
def _alone(store: Storage, found: Sequence[PlannedSearch]) -> Iterator[None]:
    """Hold every search's lock; the system lets go of it when a driver dies.

    A remote storage has none: there a journal tells the driver that came first.

    Raises:
        StorageError: another driver holds one.
    """
    if not store.is_local:
        yield
        return
    store.make_folder(layout.LOCKS)
    with contextlib.ExitStack() as stack:
        for search in found:
            lock = filelock.FileLock(store.local(layout.lock(search.name)), timeout=0)
            try:
                stack.enter_context(lock)
            except filelock.Timeout:
                what = f"another process is running the search {search.name}"
                raise StorageError(what, store.root, "Wait for it, or stop it") from None
        yield
