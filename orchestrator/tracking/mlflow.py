"""MLflow, written by the driver alone: a mirror of what is in the results.

Experiment per sweep; a parent run per invocation that trained something, with the report and its
pictures; a child run per replicate with parameters, final metrics and the curves per epoch; a
summary run per line of the table, with its mean, difference and interval. What a reader groups by
stands in tags `fdsweep.*`: all but `fdsweep.seed` are those of every replicate of a cell.
"""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fdsweep.orchestrator.tracking.runs import Run, Summary
from fdsweep.search_spaces.errors import StorageError

BATCH = 1000
"""Metrics per request, MLflow's own limit."""


def tracking_uri(storage: str) -> str:
    """MLFLOW_TRACKING_URI if set, else the SQLite file in a local storage.

    Raises:
        StorageError: object storage cannot hold an SQLite file.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given
    if "://" in storage:
        raise StorageError(
            "MLflow's SQLite file cannot lie in object storage",
            storage,
            "Set MLFLOW_TRACKING_URI to a tracking server",
        )
    return f"sqlite:///{Path(storage).absolute() / 'mlflow.db'}"


class Tracker:
    """Writes one sweep's runs in a thread of its own, so that training never waits for MLflow.

    Use as a context manager: leaving it waits until everything is written, and raises a
    StorageError for the first thing that could not be.
    """

    def __init__(self, storage: str, sweep: str, tags: dict[str, str]) -> None:
        self.uri = tracking_uri(storage)
        self.artifacts = None if "://" in storage else Path(storage).absolute() / "mlartifacts"
        self.sweep, self.tags = sweep, tags
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self.pending: list[Future[None]] = []
        self.parent = ""

    def __enter__(self) -> "Tracker":
        self.submit(self._open)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self.submit(self._close, "FINISHED" if kind is None else "KILLED")
        self.pool.shutdown()
        faults = [future.exception() for future in self.pending if future.exception()]
        if faults and kind is None:
            reason = str(faults[0]).splitlines()[0].rstrip(".")
            raise StorageError(
                f"MLflow could not be written ({reason}); the results are stored all the same",
                self.uri,
                "Put it right and run the same command again",
            )

    def submit(self, call: Any, *args: Any) -> None:
        """Have `call(*args)` done after everything submitted before."""
        self.pending.append(self.pool.submit(call, *args))

    def log(self, run: Run) -> None:
        """Add a child run."""
        self.submit(self._log, run)

    def finish(
        self,
        texts: dict[str, str],
        numbers: dict[str, float],
        pictures: Mapping[str, bytes],
        lines: Sequence[Summary] = (),
    ) -> None:
        """Add texts and pictures (file name -> content) and numbers to the parent run.

        `lines` are the table's, each with a run of its own.
        """
        self.submit(self._finish, texts, numbers, pictures, lines)

    def _open(self) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import logging

        import mlflow

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        self.client = mlflow.MlflowClient(tracking_uri=self.uri)
        experiment = self.client.get_experiment_by_name(self.sweep)
        location = f"{self.artifacts.as_uri()}/{self.sweep}" if self.artifacts else None
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

    def _runs(self, condition: str) -> list[Any]:
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
        now = int(time.time() * 1000)
        name = self.client.create_run(
            self.experiment,
            start_time=now - int(1000 * run.seconds),
            run_name=run.name,
            tags={**run.tags, "mlflow.parentRunId": self._parent_run()},
        ).info.run_id
        params = [Param(field, str(value)) for field, value in run.params.items()]
        self.client.log_batch(name, params=params[:100])
        metrics = [Metric(metric, value, now, epoch) for metric, value, epoch in run.metrics]
        for first in range(0, len(metrics), BATCH):
            self.client.log_batch(name, metrics=metrics[first : first + BATCH])
        self.client.set_terminated(name, "FINISHED" if run.done else "FAILED", end_time=now)
        if run.done:
            self.logged.add(run.identity)

    def _finish(
        self,
        texts: dict[str, str],
        numbers: dict[str, float],
        pictures: Mapping[str, bytes],
        lines: Sequence[Summary],
    ) -> None:
        from mlflow.entities import Metric

        parent = self._parent_run()
        for name, text in texts.items():
            self.client.log_text(parent, text, name)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in pictures.items():
                Path(folder, name).write_bytes(content)
            self.client.log_artifacts(parent, folder, "pictures")
        now = int(time.time() * 1000)
        self.client.log_batch(
            parent, metrics=[Metric(name, value, now, 0) for name, value in numbers.items()]
        )
        known = {
            (run.data.tags["fdsweep.row"], run.data.tags["fdsweep.direction"]): run.info.run_id
            for run in self._runs("tags.`fdsweep.kind` = 'summary'")
        }
        for line in lines:
            self._summarise(line, known.get((line.row, line.direction)))

    def _summarise(self, line: Summary, run: str | None) -> None:
        from mlflow.entities import Metric, RunTag

        own = {"kind": "summary", "row": line.row, "direction": line.direction}
        tags = {**{f"fdsweep.{name}": value for name, value in own.items()}, **line.tags}
        if run is None:
            name = f"summary: {line.row}, {line.direction}"
            created = self.client.create_run(self.experiment, run_name=name, tags=tags)
            run = created.info.run_id
        now = int(time.time() * 1000)
        self.client.log_batch(
            run,
            metrics=[Metric(name, value, now, 0) for name, value in line.metrics.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self.client.set_terminated(run, "FINISHED", end_time=now)

    def _close(self, status: str) -> None:
        if self.parent:
            self.client.set_terminated(self.parent, status)
