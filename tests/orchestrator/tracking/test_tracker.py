"""Trackers: found by name; MLflow's keeps everything that it is told, on a real SQLite store."""

import json

import pytest

from fdsweep.orchestrator.tracking import tracker
from fdsweep.orchestrator.tracking.experiment import MAX_PARAM_LENGTH
from fdsweep.orchestrator.tracking.mlflow import MlflowTracker
from fdsweep.orchestrator.tracking.runs import Run, Summary
from fdsweep.search_spaces.errors import ConfigError

pytestmark = pytest.mark.slow  # MLflow takes seconds to import


def run(number=0, **changes):
    given = {
        "identity": (f"key-{number}", "0"),
        "name": f"run {number}",
        "tags": {"fdsweep.key": f"key-{number}", "fdsweep.seed": "0"},
        "params": {},
        "metrics": [],
        "seconds": 1.0,
        "done": True,
    }
    return Run(**{**given, **changes})


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """One storage for all tests: a new database takes a second. Each has a sweep of its own."""
    return tmp_path_factory.mktemp("runs")


def client_of(storage):
    import mlflow  # slow, and not needed by whoever collects this test and runs others

    return mlflow.MlflowClient(f"sqlite:///{storage}/mlflow.db")


def runs_of(storage, sweep):
    client = client_of(storage)
    experiment = client.get_experiment_by_name(sweep).experiment_id
    return {one.info.run_name: one for one in client.search_runs([experiment])}


def test_more_params_and_metrics_than_a_request_takes_are_all_kept(storage):
    params = {f"option_{i}": i for i in range(201)}
    metrics = [("loss", i / 2, i) for i in range(1001)]
    with MlflowTracker(str(storage), "many", {}) as opened:
        opened.log(run(params=params, metrics=metrics))
    found = runs_of(storage, "many")["run 0"]
    assert found.data.params == {name: str(value) for name, value in params.items()}
    client = client_of(storage)
    history = client.get_metric_history(found.info.run_id, "loss")
    assert [(point.value, point.step) for point in history] == [(x, i) for _, x, i in metrics]


def test_a_long_value_is_cut_where_mlflow_ends(storage):
    with MlflowTracker(str(storage), "long", {}) as opened:
        opened.log(run(params={"text": "x" * (MAX_PARAM_LENGTH + 9)}))
    assert runs_of(storage, "long")["run 0"].data.params == {"text": "x" * MAX_PARAM_LENGTH}


def test_a_run_that_is_done_is_written_once_and_one_that_failed_again(storage):
    for _ in range(2):
        with MlflowTracker(str(storage), "again", {"fdsweep.study": "s"}) as opened:
            opened.log(run(0))
            opened.log(run(1, done=False))
    client = client_of(storage)
    experiment = client.get_experiment_by_name("again").experiment_id
    names = [one.info.run_name for one in client.search_runs([experiment])]
    assert (names.count("run 0"), names.count("run 1")) == (1, 2)


def test_a_summary_is_brought_up_to_date(storage):
    for mean in (0.25, 0.75):
        with MlflowTracker(str(storage), "summed", {}) as opened:
            line = Summary(row="FD", direction="a->b", tags={}, metrics={"mean": mean})
            opened.finish({"report.md": "text"}, {"best": mean}, {"x.png": b"x"}, [line])
    assert runs_of(storage, "summed")["FD, a->b"].data.metrics == {"mean": 0.75}


def test_the_database_of_a_remote_storage_is_in_the_cache_of_this_machine(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("FDSWEEP_CACHE_DIR", str(tmp_path))
    for number, root in enumerate(("s3://bucket/runs", "s3://bucket/runs/")):
        with MlflowTracker(f"{root}?region=eu-west-1", "sweep", {}) as opened:
            opened.log(run(number))
    (folder,) = (tmp_path / "mlflow").iterdir()
    assert {"run 0", "run 1"} <= set(runs_of(folder, "sweep"))
    assert f"MLflow's database is {folder}/mlflow.db on this machine" in capsys.readouterr().err


def test_a_tracker_is_found_by_name(monkeypatch, tmp_path):
    class Lines:
        """A whole tracker: a line of JSON for each run that ended."""

        def __init__(self, storage, sweep, tags):
            self.file, self.tags = tmp_path / f"{sweep}.jsonl", tags

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            pass

        def end_lost(self, is_trained):
            pass

        def begin(self, run):
            pass

        def add(self, identity, metrics, tags):
            pass

        def log(self, run):
            with self.file.open("a") as file:
                file.write(json.dumps({"name": run.name, **self.tags}) + "\n")

        def finish(self, texts, numbers, pictures, summaries=()):
            pass

    assert tracker.registry.names() == ("mlflow",)
    monkeypatch.setattr(tracker.registry, "_entries", dict(tracker.registry._entries))
    tracker.registry.register("lines")(Lines)
    monkeypatch.setenv(tracker.CHOICE, "lines")
    with tracker.open_tracker(str(tmp_path), "mine", {"study": "s"}) as opened:
        opened.log(run(3))
    assert json.loads((tmp_path / "mine.jsonl").read_text()) == {"name": "run 3", "study": "s"}
    monkeypatch.setenv(tracker.CHOICE, "line")
    with pytest.raises(ConfigError, match="unknown tracker 'line'. Choose from: lines, mlflow"):
        tracker.open_tracker(str(tmp_path), "mine", {})
    monkeypatch.delenv(tracker.CHOICE)
    assert isinstance(tracker.open_tracker(str(tmp_path), "mine", {}), MlflowTracker)
