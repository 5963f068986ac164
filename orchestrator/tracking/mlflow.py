"""MLflow, written by the driver alone: a mirror of what is in the results, and never in their way.

Whatever keeps it from being written, training and tables go on and one sentence says so. What it
missed is made up for from the storage, by the same driver once MLflow answers again, or by
`fdsweep sync`. What is in training is shown every few seconds. MLflow itself, slow to import, is
left alone until there is something that the database in the storage does not hold yet.
"""

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from fdsweep.orchestrator.tracking import database
from fdsweep.orchestrator.tracking.experiment import Experiment, is_own, tracking_uri, warm_up
from fdsweep.orchestrator.tracking.runs import Identity, Point, Run, Summary
from fdsweep.orchestrator.tracking.sync import fill, fill_all, sources
from fdsweep.orchestrator.tracking.tracker import IsTrained, registry
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import first_line, public
from fdsweep.search_spaces.storage import tell_once

SHOW_EVERY_S = 5.0
"""Between two looks at what is new of all that is in training: a request each, at most."""

RETRY_S = 60.0
"""MLflow is left alone for so long after it could not be written."""

_told: set[str] = set()
"""Where MLflow was that could not be written: a search has two trackers, and says it once."""


@registry.register("mlflow")
class MlflowTracker:
    """A `Tracker` that writes in a thread of its own.

    Attributes:
        known: what the storage's own database holds of runs that ended well.
        running: what it shows as in training.
        live: what is in training here, with all that was told of it; `news` are those of which
            something is to be written. Both are guarded by `lock`.
        over: what has ended here.
    """

    def __init__(self, storage: str, sweep: str, tags: Mapping[str, str]) -> None:
        self.store, self.uri = Store(storage), tracking_uri(storage)
        self.sweep, self.tags = sweep, tags
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self.experiment: Experiment | None = None
        self.known: set[Identity] = set()
        self.running: set[Identity] = set()
        self.parent, self.lost_at = "", 0.0
        self.live: dict[Identity, Run] = {}
        self.news: set[Identity] = set()
        self.over: set[Identity] = set()
        self.lock, self.closed = threading.Lock(), threading.Event()
        self.clock = threading.Thread(target=self._tick, name="mlflow-clock", daemon=True)

    def __enter__(self) -> Self:
        self.submit(self._begin)
        self.clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.closed.set()
        self.clock.join()
        self.submit(self._close, "FINISHED" if kind is None else "KILLED")
        self.pool.shutdown()

    def end_lost(self, is_trained: IsTrained) -> None:
        """Give what is shown as in training, and is no more, the status KILLED; open MLflow."""
        self.submit(self._end_lost, is_trained)

    def begin(self, run: Run) -> None:
        """Have a child run of the sweep's shown as running."""
        with self.lock:
            if run.identity not in self.over and run.identity not in self.live:
                self.live[run.identity] = run
                self.news.add(run.identity)

    def add(self, identity: Identity, metrics: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Have more of a run shown."""
        with self.lock:
            if run := self.live.get(identity):
                points = [*run.metrics, *metrics]
                self.live[identity] = replace(run, metrics=points, tags={**run.tags, **tags})
                self.news.add(identity)

    def log(self, run: Run) -> None:
        """Add a child run of the sweep's, or complete it."""
        with self.lock:
            self.over.add(run.identity)
            self.live.pop(run.identity, None)
        self.submit(self._log, run)

    def finish(
        self,
        texts: Mapping[str, str],
        numbers: Mapping[str, float],
        pictures: Mapping[str, bytes],
        summaries: Sequence[Summary] = (),
    ) -> None:
        """Add texts, pictures and numbers to the sweep's run; each summary is a run of its own."""
        self.submit(lambda: self._written().finish(texts, numbers, pictures, summaries))

    def submit(self, call: Callable[..., None], *args: object) -> Future[None]:
        """Have `call(*args)` done after everything submitted before; what it raises is said."""
        return self.pool.submit(self._attempt, call, *args)

    def _attempt(self, call: Callable[..., None], *args: object) -> None:
        if self.lost_at and call != self._close and time.monotonic() - self.lost_at < RETRY_S:
            return
        try:
            call(*args)
        except Exception as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        if self.experiment:
            self.parent = self.experiment.parent
        self.experiment, self.lost_at = None, time.monotonic()
        with self.lock:
            self.news.update(self.live)
        if self.uri not in _told:
            _told.add(self.uri)
            reason = public(first_line(error))
            _say(
                f"MLflow cannot be written ({reason}) at {public(self.uri)}; training goes on, "
                "results are stored all the same. To fill it in later, type: fdsweep sync"
            )

    def _begin(self) -> None:
        if is_own(self.store, self.uri):
            path = database.home(self.store).local(layout.MLFLOW_DATABASE)
            if not database.is_broken(path):
                self.known = database.identities(path, self.sweep, "FINISHED")
                self.running = database.identities(path, self.sweep, "RUNNING")
                return
        self.experiment = self._opened()

    def _end_lost(self, is_trained: IsTrained) -> None:
        if self.experiment or not all(map(is_trained, self.running)):
            self._written().end_lost(is_trained)
        elif is_own(self.store, self.uri):
            self._make_ready()
            warm_up(self.uri)

    def _tick(self) -> None:
        """Have news written, unless MLflow is still at the last ones."""
        last: Future[None] | None = None
        while not self.closed.wait(SHOW_EVERY_S):
            if self.news and (last is None or last.done()):
                last = self.submit(self._show)

    def _show(self) -> None:
        with self.lock:
            runs = [self.live[identity] for identity in self.news if identity in self.live]
            self.news.clear()
        for run in runs:
            if run.identity not in self.known:
                self._written().show(run)

    def _log(self, run: Run) -> None:
        if run.identity not in self.known:
            self._written().log(run)

    def _make_ready(self) -> None:
        """See to it that the storage's own database is there, and whole."""
        place = database.home(self.store)
        if not self.store.is_local:
            tell_once(
                f"{self.store.root}: MLflow's database is {place.uri(layout.MLFLOW_DATABASE)} "
                "on this machine; fdsweep ui makes one of its own on any other."
            )
        if database.make_ready(place):
            _say(f"{database.WAS_BROKEN} and is filled from the results.")
            fill_all(self.store, self.uri)

    def _opened(self) -> Experiment:
        if is_own(self.store, self.uri):
            self._make_ready()
        return Experiment(self.store, self.uri, self.sweep, self.tags)

    def _written(self) -> Experiment:
        """The experiment; after MLflow was away, what it missed is written first."""
        if self.experiment:
            return self.experiment
        opened = self._opened()
        if not self.lost_at:
            self.experiment = opened
            return opened
        if self.parent:
            opened.parent = self.parent
        else:
            opened.adopt()
        if self.sweep in (found := sources(self.store)):
            fill(opened, found[self.sweep]())
        self.experiment, self.lost_at = opened, 0.0
        return opened

    def _close(self, status: str) -> None:
        if self.experiment or self.lost_at:
            self._written()
            self._show()
            self._written().close(status)


def _say(text: str) -> None:
    """Print a warning, above what is live on the terminal: that looks after stderr itself."""
    print(f"fdsweep: {text}", file=sys.stderr)
