"""An experiment of MLflow's: what is written there of a sweep, and how.

A parent run per invocation that trained something, with the report and its pictures; a child run
per replicate, from its start, with parameters, its data set, the curves per epoch and final
metrics; a summary run per line of the table, with its mean, difference and interval. What a reader
groups by stands in tags `fdsweep.*`: all but `fdsweep.seed` are those of every replicate of a cell.
Tags of the experiment hold the views of it that links name.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fdsweep.orchestrator.tracking import database
from fdsweep.orchestrator.tracking.runs import VIEWS, Held, Identity, Run, Summary, View
from fdsweep.orchestrator.tracking.tracker import IsTrained
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage

if TYPE_CHECKING:
    import mlflow
    import mlflow.entities

T = TypeVar("T")

TRACKING_URI = "MLFLOW_TRACKING_URI"

METRICS_PER_BATCH, PARAMS_PER_BATCH = 1000, 100
"""MLflow's own limits of a request."""

MAX_PARAM_LENGTH = 6000
"""MLflow's own limit; the whole of a longer value stands in the results."""

PARENT = "mlflow.parentRunId"
VIEW = "mlflow.sharedViewState."
"""Begins the tags of an experiment that hold a view; the rest is its name in a link."""

DATASET, FINGERPRINT = "dataset", "network.data_fingerprint"
"""Parameters of a run that say what it learnt from."""

COLUMN_WIDTH = 125
"""Pixels."""

UNFINISHED = {"RUNNING", "KILLED"}
"""Runs with one of these go on when their replicate does."""


def tracking_uri(storage: str, given: str | None = None) -> str:
    """The one `given`, else MLFLOW_TRACKING_URI, else the storage's own SQLite file."""
    return given or os.environ.get(TRACKING_URI) or _own_uri(Storage(storage))


def artifacts_uri(storage: Storage) -> str:
    """Where files of runs go, unless a tracking server says otherwise: beside the database."""
    return database.home(storage).local(layout.MLFLOW_ARTIFACTS).as_uri()


def is_own(storage: Storage, uri: str) -> bool:
    """Whether `uri` is that of the storage's own database, in itself or in this node's cache."""
    return uri == _own_uri(storage)


def _own_uri(storage: Storage) -> str:
    return f"sqlite:///{database.home(storage).local(layout.MLFLOW_DATABASE)}"


def warm_up(uri: str) -> None:
    """Have MLflow do at `uri` what it does before its first answer, which takes a second."""
    database.settle()
    import mlflow

    mlflow.MlflowClient(tracking_uri=uri).search_experiments(max_results=1)


@dataclass(frozen=True, slots=True)
class _Open:
    """A run that is being written, by its id, and what it holds."""

    id: str
    held: Held


class Experiment:
    """The experiment `name`, made if it is not there. Each call writes, and may wait or raise.

    Several processes may write to one: those on the same local storage take turns.

    Attributes:
        parent: id of the sweep's run that new runs stand below; empty until there is one.
        added: how many runs of replicates and trials were written to their end.
        live: those that are in training.
    """

    def __init__(self, storage: Storage, uri: str, name: str, tags: Mapping[str, str]) -> None:
        database.settle()
        import mlflow

        is_ours = is_own(storage, uri)
        self.storage = database.home(storage) if is_ours else storage
        self.name, self.tags = name, tags
        self.parent, self.added, self.adopted = "", 0, False
        self.live: dict[Identity, _Open] = {}
        self.client = mlflow.MlflowClient(tracking_uri=uri)
        with database.locked(self.storage):
            self.id = self._id(artifacts_uri(storage) if is_ours else None)
        self.logged = {
            _identity(run)
            for run in self._runs("attributes.status = 'FINISHED'")
            if "fdsweep.key" in run.data.tags
        }

    def _id(self, artifacts: str | None) -> str:
        found = self.client.get_experiment_by_name(self.name)
        if found:
            _bring_views_up_to_date(self.client, found)
            return str(found.experiment_id)
        return str(
            self.client.create_experiment(
                self.name,
                artifact_location=f"{artifacts}/{self.name}" if artifacts else None,
                tags={"mlflow.experimentKind": "custom_model_development", **_views()},
            )
        )

    def _runs(self, condition: str) -> "list[mlflow.entities.Run]":
        runs, token = [], None
        while True:
            page = self.client.search_runs([self.id], condition, max_results=1000, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def adopt(self) -> None:
        """Go on below the newest run of the sweep, if there is one."""
        found = self._runs("tags.`fdsweep.kind` = 'sweep'")
        if found:
            self.parent = max(found, key=lambda run: int(run.info.start_time)).info.run_id
            self.adopted = True

    def _parent_run(self) -> str:
        if not self.parent:
            run = self.client.create_run(
                self.id,
                run_name=f"{self.name} {time.strftime('%Y-%m-%d %H:%M')}",
                tags={"fdsweep.kind": "sweep", **self.tags},
            )
            self.parent = run.info.run_id
        return self.parent

    def end_lost(self, is_trained: IsTrained) -> None:
        """Give KILLED to what is shown as in training and is not, and to the sweep's run above it.

        A sweep's run stays RUNNING while anything below it is in training.
        """
        with database.locked(self.storage):
            running = self._runs("attributes.status = 'RUNNING'")
            children = [run for run in running if "fdsweep.key" in run.data.tags]
            lost = [run for run in children if not is_trained(_identity(run))]
            kept = {run.data.tags.get(PARENT) for run in children if run not in lost}
            parents = {run.data.tags.get(PARENT) for run in lost} - kept - {self.parent}
            for run in running:
                if run in lost or run.info.run_id in parents:
                    self.client.set_terminated(run.info.run_id, "KILLED")

    def show(self, run: Run) -> None:
        """Bring the run of what is in training up to date; one that is done already stays as it is.

        What was cut off goes on, unless it came to something else.
        """
        if run.identity in self.logged:
            return
        with database.locked(self.storage):
            one = self.live.get(run.identity)
            if one is None:
                known = self._known(run)
                if _is_finished(known):
                    self.logged.add(run.identity)
                    return
                one = self.live[run.identity] = self._taken(run, known)
                if any((old.info.run_id, old.info.status) == (one.id, "KILLED") for old in known):
                    self.client.update_run(one.id, "RUNNING")
            self._advance(one, run)

    def log(self, run: Run, *, again: bool = True) -> None:
        """Write a child run to its end, unless it is there: one that is done is written once.

        One that failed is written each time, or with `again=False` if there is none at all. What
        was in training, or cut off, is completed, unless it came to something else.
        """
        if run.identity in self.logged:
            return
        with database.locked(self.storage):
            known = self._known(run)
            if _is_finished(known):
                self.logged.add(run.identity)
            elif run.done or again or not any(one.info.status == "FAILED" for one in known):
                one = self._taken(run, known)
                self._advance(one, run)
                status = "FINISHED" if run.done else "FAILED"
                self.client.set_terminated(one.id, status, end_time=_now())
                self.added += 1
                if run.done:
                    self.logged.add(run.identity)
            self.live.pop(run.identity, None)

    def _known(self, run: Run) -> "list[mlflow.entities.Run]":
        key, seed = run.identity
        condition = f"tags.`fdsweep.key` = '{key}'"
        if seed:  # else all seeds of a cell would be read for each of them
            condition += f" AND tags.`fdsweep.seed` = '{seed}'"
        found = self._runs(condition)
        return [one for one in found if _identity(one) == run.identity]

    def _taken(self, run: Run, known: "Sequence[mlflow.entities.Run]") -> _Open:
        """Where to write `run`: to what is unfinished of the `known`, if it fits, or to a new one.

        What does not fit is deleted, but for what it tells of the worker's machine.
        """
        chosen, usage, mine = None, [], self.live.get(run.identity)
        for one in known:
            if one.info.status not in UNFINISHED:
                continue
            is_mine = mine is not None and mine.id == one.info.run_id
            found = mine if mine and is_mine else _Open(one.info.run_id, self._held(one))
            if chosen is None and found.held.fits(run, _texts(run)):
                chosen = found
            else:
                usage = found.held.usage()
                self.client.delete_run(found.id)
        if chosen is None:
            chosen = self._created(run)
            if usage:
                self._advance(chosen, replace(run, metrics=usage))
        return chosen

    def _held(self, run: "mlflow.entities.Run") -> Held:
        points = {
            (name, point.step): point.value
            for name in run.data.metrics
            for point in self.client.get_metric_history(run.info.run_id, name)
        }
        return Held(run.data.params, run.data.tags, points)

    def _created(self, run: Run) -> _Open:
        from mlflow.entities import Dataset, DatasetInput

        start, tags = _now() - int(1000 * run.seconds), self._tags(run)
        made = self.client.create_run(self.id, start_time=start, run_name=run.name, tags=tags)
        name, digest = (run.params.get(param) for param in (DATASET, FINGERPRINT))
        if name and digest:
            data = Dataset(str(name), str(digest), source_type="fdsweep", source=str(name))
            self.client.log_inputs(made.info.run_id, [DatasetInput(data)])
        return _Open(made.info.run_id, Held({}, tags, {}))

    def _tags(self, run: Run) -> dict[str, str]:
        return {**run.tags, PARENT: self._parent_run()}

    def _advance(self, one: _Open, run: Run) -> None:
        """Write what `one` lacks of `run`."""
        from mlflow.entities import Metric, Param, RunTag

        now, held, texts = _now(), one.held, _texts(run)
        tags = {name: text for name, text in self._tags(run).items() if held.tags.get(name) != text}
        if tags:
            self.client.log_batch(one.id, tags=[RunTag(*tag) for tag in tags.items()])
        params = [Param(*param) for param in texts.items() if param[0] not in held.params]
        for some in _batches(params, PARAMS_PER_BATCH):
            self.client.log_batch(one.id, params=some)
        points = held.lacking(run)
        metrics = [Metric(name, value, now, epoch) for name, value, epoch in points]
        for some in _batches(metrics, METRICS_PER_BATCH):
            self.client.log_batch(one.id, metrics=some)
        held.tags.update(tags)
        held.params.update(texts)
        held.points.update({(name, epoch): value for name, value, epoch in points})

    def finish(
        self,
        texts: Mapping[str, str],
        numbers: Mapping[str, float],
        pictures: Mapping[str, bytes],
        summaries: Sequence[Summary] = (),
    ) -> None:
        """Add texts, pictures and numbers to the sweep's run; each summary is a run of its own.

        Called again with the same, it changes nothing.
        """
        parent = self._parent_run()
        for name, text in texts.items():
            self.client.log_text(parent, text, name)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in pictures.items():
                Path(folder, name).write_bytes(content)
            self.client.log_artifacts(parent, folder, "pictures")
        self._bring_up_to_date(self.client.get_run(parent), numbers)
        with database.locked(self.storage):
            known = {
                (run.data.tags["fdsweep.row"], run.data.tags["fdsweep.direction"]): run
                for run in self._runs("tags.`fdsweep.kind` = 'summary'")
            }
            for summary in summaries:
                self._summarise(summary, known.get((summary.row, summary.direction)))

    def _summarise(self, summary: Summary, known: "mlflow.entities.Run | None") -> None:
        """Bring the run of a line of the table up to date; it is made if it is not `known`."""
        own = {"kind": "summary", "row": summary.row, "direction": summary.direction}
        tags = {**{f"fdsweep.{name}": value for name, value in own.items()}, **summary.tags}
        if known is None:
            known = self.client.create_run(self.id, run_name=summary.name, tags=tags)
        if self._bring_up_to_date(known, summary.metrics, tags) or known.info.status == "RUNNING":
            self.client.set_terminated(known.info.run_id, "FINISHED", end_time=_now())

    def _bring_up_to_date(
        self,
        run: "mlflow.entities.Run",
        numbers: Mapping[str, float],
        tags: Mapping[str, str] | None = None,
    ) -> bool:
        """Write those numbers and tags that `run` lacks or has otherwise; whether there are any."""
        from mlflow.entities import Metric, RunTag

        now, held = _now(), run.data
        metrics = [
            Metric(name, value, now, 0)
            for name, value in numbers.items()
            if held.metrics.get(name) != value
        ]
        changed = [
            RunTag(name, value)
            for name, value in (tags or {}).items()
            if held.tags.get(name) != value
        ]
        if metrics or changed:
            self.client.log_batch(run.info.run_id, metrics=metrics, tags=changed)
        return bool(metrics or changed)

    def close(self, status: str) -> None:
        """End the sweep's run with `status`, or as KILLED with what is still in training.

        One that another driver may have made is ended only if nothing is in training below it.
        """
        status = "KILLED" if self.live else status
        for one in self.live.values():
            self.client.set_terminated(one.id, "KILLED")
        self.live.clear()
        if not self.parent:
            return
        if self.adopted:
            in_training = self._runs(
                f"attributes.status = 'RUNNING' and tags.`{PARENT}` = '{self.parent}'"
            )
            if in_training or self.client.get_run(self.parent).info.status != "RUNNING":
                return
        self.client.set_terminated(self.parent, status)


def find(uri: str, name: str) -> str | None:
    """Id of the experiment `name` at `uri`, with today's views; None if there is none.

    Raises:
        Exception: whatever MLflow and its database raise.
    """
    database.settle()
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(name)
    if found is None:
        return None
    _bring_views_up_to_date(client, found)
    return str(found.experiment_id)


def route(experiment: str, view: str) -> str:
    """What follows a server's address in a link to the `view` of the experiment with that id."""
    mode = "&compareRunsMode=CHART" if VIEWS[view].charts else ""
    return f"/#/experiments/{experiment}/runs?viewStateShareKey={view}{mode}"


def _bring_views_up_to_date(
    client: "mlflow.MlflowClient", experiment: "mlflow.entities.Experiment"
) -> None:
    for tag, text in _views().items():
        if experiment.tags.get(tag) != text:
            client.set_experiment_tag(experiment.experiment_id, tag, text)


def _views() -> dict[str, str]:
    """Tags that hold the views."""
    return {f"{VIEW}{name}": json.dumps(_state(view)) for name, view in VIEWS.items()}


def _state(view: View) -> dict[str, object]:
    """`view` as the pages of MLflow 3 keep their state."""
    columns = [_column(name) for name in view.columns]
    return {
        "searchFilter": view.where,
        "orderByKey": _column(view.by),
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": dict.fromkeys(columns, COLUMN_WIDTH),
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": tag} for tag in view.tags],
        },
    }


def _column(name: str) -> str:
    kind, _, rest = name.partition(".")
    return f"{kind}.`{rest}`"


def _texts(run: Run) -> dict[str, str]:
    """The params of `run` as MLflow takes them."""
    return {name: str(value)[:MAX_PARAM_LENGTH] for name, value in run.params.items()}


def _is_finished(known: "Sequence[mlflow.entities.Run]") -> bool:
    return any(run.info.status == "FINISHED" for run in known)


def _identity(run: "mlflow.entities.Run") -> Identity:
    return run.data.tags.get("fdsweep.key", ""), run.data.tags.get("fdsweep.seed", "")


def _now() -> int:
    return int(time.time() * 1000)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`items` in order, at most `size` at a time."""
    for first in range(0, len(items), size):
        yield items[first : first + size]
