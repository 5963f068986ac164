"""MLflow, written by the driver alone: a mirror of what is in the results.

Experiment per sweep; a parent run per invocation that trained something, with the report and its
pictures; a child run per replicate with parameters, final metrics and the curves per epoch; a
summary run per line of the table, with its mean, difference and interval. What a reader groups by
stands in tags `fdsweep.*`: all but `fdsweep.seed` are those of every replicate of a cell.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from fdsweep.orchestrator.tracking.runs import Run, Summary
from fdsweep.orchestrator.tracking.tracker import registry
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError, first_line
from fdsweep.search_spaces.storage import Storage

if TYPE_CHECKING:
    import mlflow.entities

T = TypeVar("T")

METRICS_PER_BATCH, PARAMS_PER_BATCH = 1000, 100
"""MLflow's own limits of a request."""

MAX_PARAM_LENGTH = 6000
"""MLflow's own limit; the whole of a longer value stands in the results."""


def tracking_uri(storage: str) -> str:
    """MLFLOW_TRACKING_URI if set, else the SQLite file in a local storage.

    Raises:
        StorageError: object storage cannot hold an SQLite file.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given
    if not Storage(storage).is_local:
        raise StorageError(
            "MLflow's SQLite file cannot lie in object storage",
            storage,
            "Set MLFLOW_TRACKING_URI to a tracking server",
        )
    return f"sqlite:///{Storage(storage).local(layout.MLFLOW_DATABASE)}"


def artifacts_uri(storage: str) -> str | None:
    """Where files of runs go: into a local storage, else where the tracking server says (None)."""
    if not Storage(storage).is_local:
        return None
    return Storage(storage).local(layout.MLFLOW_ARTIFACTS).as_uri()


@registry.register("mlflow")
class MlflowTracker:
    """A `Tracker` that writes in a thread of its own."""

    def __init__(self, storage: str, sweep: str, tags: Mapping[str, str]) -> None:
        self.uri, self.artifacts = tracking_uri(storage), artifacts_uri(storage)
        self.sweep, self.tags = sweep, tags
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self.pending: list[Future[None]] = []
        self.parent = ""

    def __enter__(self) -> Self:
        self.submit(self._open)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.submit(self._close, "FINISHED" if kind is None else "KILLED")
        self.pool.shutdown()
        faults = [fault for future in self.pending if (fault := future.exception())]
        if faults and kind is None:
            reason = first_line(faults[0])
            raise StorageError(
                f"MLflow could not be written ({reason}); the results are stored all the same",
                self.uri,
                "Put it right and run the same command again",
            )

    def submit(self, call: Callable[..., None], *args: object) -> None:
        """Have `call(*args)` done after everything submitted before."""
        self.pending.append(self.pool.submit(call, *args))

    def log(self, run: Run) -> None:
        """Add a child run of the sweep's."""
        self.submit(self._log, run)

    def finish(
        self,
        texts: Mapping[str, str],
        numbers: Mapping[str, float],
        pictures: Mapping[str, bytes],
        summaries: Sequence[Summary] = (),
    ) -> None:
        """Add texts, pictures and numbers to the sweep's run; each summary is a run of its own."""
        self.submit(self._finish, texts, numbers, pictures, summaries)

    def _open(self) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import logging

        import mlflow

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        self.client = mlflow.MlflowClient(tracking_uri=self.uri)
        experiment = self.client.get_experiment_by_name(self.sweep)
        location = f"{self.artifacts}/{self.sweep}" if self.artifacts else None
        self.experiment = (
            experiment.experiment_id
            if experiment
            else self.client.create_experiment(
                self.sweep,
                artifact_location=location,
                tags={"mlflow.experimentKind": "custom_model_development"},
            )
        )
        self.logged = {
            (run.data.tags["fdsweep.key"], run.data.tags.get("fdsweep.seed", ""))
            for run in self._runs("attributes.status = 'FINISHED'")
            if "fdsweep.key" in run.data.tags
        }

    def _runs(self, condition: str) -> "list[mlflow.entities.Run]":
        runs, token = [], None
        while True:
            page = self.client.search_runs(
                [self.experiment], condition, max_results=1000, page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    def _parent_run(self) -> str:
        if not self.parent:
            run = self.client.create_run(
                self.experiment,
                run_name=f"{self.sweep} {time.strftime('%Y-%m-%d %H:%M')}",
                tags={"fdsweep.kind": "sweep", **self.tags},
            )
            self.parent = run.info.run_id
        return self.parent

    def _log(self, run: Run) -> None:
        from mlflow.entities import Metric, Param

        if run.identity in self.logged:
            return
        now = _now()
        identity = self.client.create_run(
            self.experiment,
            start_time=now - int(1000 * run.seconds),
            run_name=run.name,
            tags={**run.tags, "mlflow.parentRunId": self._parent_run()},
        ).info.run_id
        params = [Param(name, str(value)[:MAX_PARAM_LENGTH]) for name, value in run.params.items()]
        for some in _batches(params, PARAMS_PER_BATCH):
            self.client.log_batch(identity, params=some)
        metrics = [Metric(name, value, now, epoch) for name, value, epoch in run.metrics]
        for some in _batches(metrics, METRICS_PER_BATCH):
            self.client.log_batch(identity, metrics=some)
        self.client.set_terminated(identity, "FINISHED" if run.done else "FAILED", end_time=now)
        if run.done:
            self.logged.add(run.identity)

    def _finish(
        self,
        texts: Mapping[str, str],
        numbers: Mapping[str, float],
        pictures: Mapping[str, bytes],
        summaries: Sequence[Summary],
    ) -> None:
        parent = self._parent_run()
        for name, text in texts.items():
            self.client.log_text(parent, text, name)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in pictures.items():
                Path(folder, name).write_bytes(content)
            self.client.log_artifacts(parent, folder, "pictures")
        self.client.log_batch(parent, metrics=_final(numbers))
        known = {
            (run.data.tags["fdsweep.row"], run.data.tags["fdsweep.direction"]): run.info.run_id
            for run in self._runs("tags.`fdsweep.kind` = 'summary'")
        }
        for summary in summaries:
            self._summarise(summary, known.get((summary.row, summary.direction)))

    def _summarise(self, summary: Summary, known: str | None) -> None:
        """Bring the run of a line of the table up to date; it is made if it is not `known`."""
        from mlflow.entities import RunTag

        own = {"kind": "summary", "row": summary.row, "direction": summary.direction}
        tags = {**{f"fdsweep.{name}": value for name, value in own.items()}, **summary.tags}
        if known is None:
            name = f"summary: {summary.row}, {summary.direction}"
            known = self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id
        self.client.log_batch(
            known,
            metrics=_final(summary.metrics),
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self.client.set_terminated(known, "FINISHED", end_time=_now())

    def _close(self, status: str) -> None:
        if self.parent:
            self.client.set_terminated(self.parent, status)


def _final(numbers: Mapping[str, float]) -> "list[mlflow.entities.Metric]":
    from mlflow.entities import Metric

    now = _now()
    return [Metric(name, value, now, 0) for name, value in numbers.items()]


def _now() -> int:
    return int(time.time() * 1000)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`items` in order, at most `size` at a time."""
    for first in range(0, len(items), size):
        yield items[first : first + size]
