"""What MLflow shows of what is in training: from its start, as it grows, however it ends."""

import contextlib
import sqlite3
import time
from dataclasses import replace

import filelock
import pytest

from fdsweep.orchestrator.tracking import mlflow as module
from fdsweep.orchestrator.tracking.experiment import Experiment
from fdsweep.orchestrator.tracking.mlflow import MlflowTracker
from fdsweep.orchestrator.tracking.runs import Run
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage

pytestmark = pytest.mark.slow  # MLflow takes seconds to import

EVERY_S = 0.05
IDENTITY = ("key", "0")
STARTED = Run(
    identity=IDENTITY,
    name="FD, seed 0",
    tags={"fdsweep.key": "key", "fdsweep.seed": "0"},
    params={"epochs": 3},
    metrics=[],
    seconds=0.0,
    done=False,
)
CURVE = [("val_accuracy", epoch / 4, epoch) for epoch in range(3)]
ENDED = replace(
    STARTED,
    tags={**STARTED.tags, "fdsweep.status": "done"},
    params={"epochs": 3, "device": "cpu"},
    metrics=[("final_val_score", 0.5, 0), *CURVE],
    seconds=9.0,
    done=True,
)
USAGE = ("system/cpu_utilization_percentage", 80.0, 1)


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """One storage for all tests: a new database takes a second. Each has a sweep of its own."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "SHOW_EVERY_S", EVERY_S)


def uri_of(storage):
    return f"sqlite:///{storage}/mlflow.db"


def shown(uri, sweep):
    """The runs that are shown, the oldest first: id, status, tags, params, points of metrics."""
    import mlflow

    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(sweep)
    runs = client.search_runs([experiment.experiment_id], order_by=["start_time"])

    def points(run):
        names = sorted(run.data.metrics)
        histories = {name: client.get_metric_history(run.info.run_id, name) for name in names}
        return [(name, p.value, p.step) for name in names for p in histories[name]]

    return [
        (run.info.run_id, run.info.status, run.data.tags, run.data.params, points(run))
        for run in runs
    ]


def child(uri, sweep):
    """The one run of a replicate among them."""
    (found,) = [run for run in shown(uri, sweep) if "fdsweep.key" in run[2]]
    return found


def until_shown(tracker):
    """Return when all that the tracker was told of is written."""
    while tracker.news:
        time.sleep(EVERY_S)
    tracker.submit(lambda: None).result()


def test_a_run_is_there_from_its_start_grows_and_ends_with_all_of_it(storage):
    with MlflowTracker(str(storage), "grows", {}) as tracker:
        tracker.begin(replace(STARTED, tags={**STARTED.tags, "fdsweep.dashboard": "http://ray"}))
        until_shown(tracker)
        identity, status, tags, params, points = child(uri_of(storage), "grows")
        assert (status, params, points) == ("RUNNING", {"epochs": "3"}, [])
        assert tags["fdsweep.dashboard"] == "http://ray"
        for point in CURVE[:2]:
            tracker.add(IDENTITY, [point], {"fdsweep.worker_log": "host:/log"})
            until_shown(tracker)
        assert child(uri_of(storage), "grows")[4] == CURVE[:2]
        tracker.add(IDENTITY, [USAGE], {})
        until_shown(tracker)
        tracker.log(ENDED)
    found = child(uri_of(storage), "grows")
    assert found[:2] == (identity, "FINISHED")
    assert found[2]["fdsweep.status"] == "done"
    assert found[2]["fdsweep.worker_log"] == "host:/log"
    assert found[3] == {"epochs": "3", "device": "cpu"}
    assert sorted(found[4]) == sorted([*ENDED.metrics, USAGE])


def test_what_is_cut_off_is_killed_and_goes_on_in_the_same_run(storage):
    tracker = MlflowTracker(str(storage), "breaks", {})
    with contextlib.suppress(KeyboardInterrupt), tracker:
        tracker.begin(STARTED)
        tracker.add(IDENTITY, CURVE[:2], {})
        until_shown(tracker)
        raise KeyboardInterrupt
    killed = child(uri_of(storage), "breaks")
    assert (killed[1], killed[4]) == ("KILLED", CURVE[:2])
    with MlflowTracker(str(storage), "breaks", {}) as tracker:
        tracker.begin(STARTED)
        until_shown(tracker)
        assert child(uri_of(storage), "breaks")[:2] == (killed[0], "RUNNING")
        tracker.add(IDENTITY, CURVE[1:2], {})  # from a checkpoint of the epoch before
        tracker.log(ENDED)
    parents = [run for run in shown(uri_of(storage), "breaks") if "fdsweep.key" not in run[2]]
    found = child(uri_of(storage), "breaks")
    assert found[:2] == (killed[0], "FINISHED")
    assert sorted(found[4]) == sorted(ENDED.metrics)
    assert [run[1] for run in parents] == ["KILLED", "FINISHED"]
    assert found[2]["mlflow.parentRunId"] == parents[1][0]


def test_one_that_came_to_something_else_is_written_anew(storage):
    """As after a break on another machine, whose last bits differ."""
    with MlflowTracker(str(storage), "differs", {}) as tracker:
        tracker.begin(STARTED)
        tracker.add(IDENTITY, [("val_accuracy", 0.125, 0), USAGE], {})
        until_shown(tracker)
        tracker.log(ENDED)
    found = child(uri_of(storage), "differs")
    assert sorted(found[4]) == sorted([*ENDED.metrics, USAGE])


def test_one_that_fails_keeps_its_curve(storage):
    with MlflowTracker(str(storage), "fails", {}) as tracker:
        tracker.begin(STARTED)
        tracker.add(IDENTITY, CURVE[:1], {})
        until_shown(tracker)
        tracker.log(replace(STARTED, tags={**STARTED.tags, "fdsweep.status": "failed"}))
    found = child(uri_of(storage), "fails")
    assert (found[1], found[4]) == ("FAILED", CURVE[:1])


def test_what_a_dead_driver_left_is_killed_and_what_another_trains_is_not(storage):
    dead = Experiment(Storage(str(storage)), uri_of(storage), "dead", {})
    dead.show(STARTED)
    other = Experiment(Storage(str(storage)), uri_of(storage), "dead", {})
    other.adopt()
    other.close("FINISHED")  # of `fdsweep sync`: the sweep is at work
    for is_trained, status in ((True, "RUNNING"), (False, "KILLED")):
        with MlflowTracker(str(storage), "dead", {}) as tracker:
            tracker.end_lost(lambda identity, known=is_trained: known)
        assert {run[1] for run in shown(uri_of(storage), "dead")} == {status}
    with MlflowTracker(str(storage), "dead", {}) as tracker:
        tracker.end_lost(lambda identity: False)
    assert tracker.experiment is None  # nothing is shown as running: MLflow is left alone


def test_before_training_a_new_database_is_made_and_nothing_stands_in_it(tmp_path):
    with MlflowTracker(str(tmp_path), "new", {}) as tracker:
        tracker.end_lost(lambda identity: True)
        tracker.submit(lambda: None).result()
        assert (tmp_path / "mlflow.db").exists()
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as found:
        assert found.execute("SELECT name FROM experiments").fetchall() == [("Default",)]
        assert not found.execute("SELECT * FROM runs").fetchall()


def test_who_trains_never_waits_and_requests_are_few(storage):
    epochs = 2000
    with MlflowTracker(str(storage), "fast", {}) as tracker:
        tracker.begin(STARTED)
        start, slowest = time.monotonic(), 0.0
        with filelock.FileLock(storage / layout.lock("mlflow")):
            for epoch in range(epochs):
                before = time.perf_counter()
                tracker.add(IDENTITY, [("val_accuracy", 0.5, epoch)], {})
                slowest = max(slowest, time.perf_counter() - before)
                if epoch > 1990:
                    time.sleep(EVERY_S)
        until_shown(tracker)
        took = time.monotonic() - start
        with contextlib.closing(sqlite3.connect(storage / "mlflow.db")) as opened:
            query = "SELECT COUNT(*), COUNT(DISTINCT timestamp) FROM metrics JOIN runs USING"
            query += " (run_uuid) JOIN experiments USING (experiment_id) WHERE experiments.name = ?"
            (told, requests) = opened.execute(query, ["fast"]).fetchone()
    assert told == epochs
    assert requests <= took / EVERY_S + 3
    assert slowest < 0.2  # of a machine that is busy with other things


def test_a_server_that_goes_and_comes_is_told_the_rest_of_the_same_run(
    server, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    with MlflowTracker(str(tmp_path), "remote", {}) as tracker:
        tracker.begin(STARTED)
        tracker.add(IDENTITY, CURVE[:1], {})
        until_shown(tracker)
        before = child(server.uri, "remote")
        assert before[1:2] + before[4:] == ("RUNNING", CURVE[:1])
        server.stop()
        tracker.add(IDENTITY, CURVE[1:2], {})
        while not tracker.lost_at:
            time.sleep(EVERY_S)
        server.start()
        until_shown(tracker)
        while child(server.uri, "remote")[4] != CURVE[:2]:
            time.sleep(0.2)
        tracker.log(ENDED)
    found = child(server.uri, "remote")
    assert found[:2] == (before[0], "FINISHED")
    assert sorted(found[4]) == sorted(ENDED.metrics)
    assert capsys.readouterr().err.count("MLflow cannot be written") == 1
