"""MLflow away, locked or broken: sweeps go on, and `fdsweep sync` makes up for it.

Stores and servers are MLflow's own; only the training is made up. A new database takes seconds, so
all of this runs with the tests that need a cluster.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
import types

import pytest
from faults import rows
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.execution.cluster import plan_resources
from fdsweep.orchestrator.tracking.database import DAMAGED, SETTINGS, on_own_disk
from fdsweep.search_spaces import layout

pytestmark = pytest.mark.ray

STUDY = """
title: Two rows
seeds: [0, 1]
epochs: 2
directions: [accelerometer->gyroscope]
rows:
  - {name: Feat, method: feat}
  - {name: FD}
"""

ONE_RUN = """
import sys, time
import mlflow
from fdsweep.orchestrator.tracking.mlflow import MlflowTracker
from fdsweep.orchestrator.tracking.runs import Run
storage, key, at = sys.argv[1:]
tags = {"fdsweep.key": key, "fdsweep.seed": "0"}
run = Run(identity=(key, "0"), name=key, tags=tags, params={}, metrics=[], seconds=1.0, done=True)
time.sleep(max(0.0, float(at) - time.time()))
with MlflowTracker(storage, "race", {}) as tracker:
    tracker.log(run)
"""


def outcome(trial, seed):
    """A made-up end of a replicate, other numbers for each."""
    score = int(trial.key[:4], 16) / 2**17 + seed / 8
    splits = ("train", "val", "test")
    curves = [(e, split, "accuracy", score * (e + 1) / 2) for e in (0, 1) for split in splits]
    kept = {"sample_id": ["a", "b"], "group": ["g", "h"], "label": [0, 1], "prediction": [0, seed]}
    scores = dict.fromkeys(("best_score", "val_score", "test_score"), score)
    scores |= dict.fromkeys(("test_score_last", "test_score_best"), score)
    facts = {"epochs": 2, "best_epoch": 1, "best_head": "main", "metric": "accuracy"}
    ran = {"device": "cpu", "environment": "{}", "seconds": 1.0}
    return {**scores, **facts, **ran, "kept": kept, "curves": curves}


@pytest.fixture
def sweep(monkeypatch, tmp_path):
    """`sweep(storage, at={i: f})` runs a study; before its i-th replicate ends, f() is called."""
    path = tmp_path / "two-rows.yaml"
    path.write_text(STUDY)

    def run(storage, at=None):
        def run_plan(plan, resources, root, recorder):
            ends = [(t, seed) for t in (*plan.teachers, *plan.students) for seed in t.seeds]
            for number, (trial, seed) in enumerate(ends):
                recorder.tracker.submit(lambda: None).result()  # all before is written
                if at and number in at:
                    at[number]()
                recorder.keep(trial, seed, outcome(trial, seed))

        stages = types.SimpleNamespace(run_plan=run_plan)
        monkeypatch.setitem(sys.modules, "fdsweep.orchestrator.execution.stages", stages)

        def connect(request, meanwhile):
            meanwhile()
            return plan_resources(request, 2, 0)

        monkeypatch.setattr("fdsweep.orchestrator.studies.study.connect", connect)
        result = CliRunner().invoke(app, ["run", str(path), "--storage", str(storage)])
        assert result.exit_code == 0, result.stderr
        assert "| FD " in result.stdout
        return result

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return run


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """What an undisturbed sweep leaves in MLflow, made by whoever asks first."""
    return {"folder": tmp_path_factory.mktemp("calm")}


def undisturbed(calm, sweep):
    if "runs" not in calm:
        told = sweep(calm["folder"])
        assert "MLflow" not in told.stderr
        calm["runs"] = runs_in(database_of(calm["folder"]))
    return calm["runs"]


def database_of(storage):
    return f"sqlite:///{storage / layout.MLFLOW_DATABASE}"


def runs_in(uri):
    """All runs but for their times: tags, params, metrics with their history, files, parents."""
    import mlflow

    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiments = {e.experiment_id: e.name for e in client.search_experiments()}
    runs = client.search_runs([*experiments])
    names = {run.info.run_id: run.data.tags["fdsweep.kind"] for run in runs}

    def history(run, metric):
        return [(p.value, p.step) for p in client.get_metric_history(run.info.run_id, metric)]

    def files(run, folder=""):
        return [one.path for one in client.list_artifacts(run.info.run_id, folder)]

    def described(run):
        tags, is_sweep = run.data.tags, run.data.tags["fdsweep.kind"] == "sweep"
        return {
            "experiment": experiments[run.info.experiment_id],
            "name": "" if is_sweep else run.info.run_name,  # it holds the time
            "status": run.info.status,
            "tags": {name: text for name, text in tags.items() if name.startswith("fdsweep.")},
            "parent": names.get(tags.get("mlflow.parentRunId")),
            "params": run.data.params,
            "metrics": run.data.metrics,
            "history": {name: history(run, name) for name in run.data.metrics},
            "files": sorted(files(run) + files(run, "pictures")) if is_sweep else [],
        }

    return sorted(map(described, runs), key=lambda run: sorted(run["tags"].items()))


def sync(storage, *words, code=0):
    result = CliRunner().invoke(app, ["sync", "--storage", str(storage), *words])
    assert result.exit_code == code, (result.stdout, result.stderr)
    return result


def warnings(result):
    return [line for line in result.stderr.splitlines() if line.startswith("fdsweep:")]


@pytest.mark.fault(
    "MLflow's server goes away in the middle, and comes back later",
    "one warning, training goes on; `fdsweep sync` fills in what it missed",
)
@pytest.mark.slow
def test_a_server_that_goes_away_stops_nobody_and_sync_makes_up_for_it(
    calm, sweep, server, tmp_path, monkeypatch, fault
):
    expected = undisturbed(calm, sweep)
    storage = tmp_path / "runs"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)

    def stop():
        fault.hits()
        server.stop()

    told = sweep(storage, at={3: stop})
    (warning,) = warnings(told)
    assert warning.endswith("To fill it in later, type: fdsweep sync")
    failed = sync(storage, code=2)
    assert failed.stderr.count("\n") == 1
    server.start()
    assert len(runs_in(server.uri)) < len(expected)
    done = sync(storage)
    fault.counts(rows(calm["folder"]), rows(storage))
    assert done.stdout.count("\n") == 2
    assert runs_in(server.uri) == expected
    assert "0 runs added" in sync(storage).stdout
    assert runs_in(server.uri) == expected


@pytest.mark.slow
def test_a_server_that_comes_back_is_told_what_it_missed(
    calm, sweep, server, tmp_path, monkeypatch
):
    expected = undisturbed(calm, sweep)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setattr("fdsweep.orchestrator.tracking.mlflow.RETRY_S", 0.0)
    told = sweep(tmp_path / "runs", at={1: server.stop, 4: server.start})
    assert len(warnings(told)) == 1
    assert runs_in(server.uri) == expected


@pytest.mark.fault(
    "`mlflow.db` is garbage, or its making was cut off",
    "moved to `mlflow.db.damaged`, made anew from the rows",
)
@pytest.mark.parametrize("cut_off", [False, True])
def test_a_broken_database_is_moved_aside_and_made_anew(calm, sweep, tmp_path, cut_off, fault):
    expected = undisturbed(calm, sweep)
    storage, database = calm["folder"], calm["folder"] / layout.MLFLOW_DATABASE
    planned = rows(storage)
    fault.hits()
    if cut_off:  # as two processes leave it that migrate one new file
        with contextlib.closing(sqlite3.connect(database)) as opened, opened:
            opened.execute("CREATE TABLE _alembic_tmp_runs (x)")
    else:
        database.write_bytes(b"garbage" * 999)
    if cut_off:
        assert DAMAGED in sync(storage).stdout
    else:
        (warning,) = warnings(sweep(storage))  # by the same command: nothing is left to train
        assert DAMAGED in warning
    fault.counts(planned, rows(storage))
    assert runs_in(database_of(storage)) == expected
    assert (storage / DAMAGED).exists()


@pytest.mark.fault(
    "MLflow's database stays locked", "one warning; `fdsweep sync` fills it in later"
)
def test_a_locked_database_stops_nobody(calm, sweep, tmp_path, monkeypatch, fault):
    expected = undisturbed(calm, sweep)
    monkeypatch.setattr("fdsweep.orchestrator.tracking.database.LOCK_S", 0.1)
    import filelock

    storage = tmp_path / "runs"
    (storage / layout.LOCKS).mkdir(parents=True)
    fault.hits()
    with filelock.FileLock(storage / layout.lock("mlflow")):
        told = sweep(storage)
        (warning,) = warnings(told)
        assert "lock" in warning
    sync(storage)
    fault.counts(rows(calm["folder"]), rows(storage))
    assert runs_in(database_of(storage)) == expected
    with contextlib.closing(sqlite3.connect(storage / layout.MLFLOW_DATABASE)) as opened:
        (journal,) = opened.execute("PRAGMA journal_mode").fetchone()
    assert journal == ("wal" if on_own_disk(storage) else "delete")


@pytest.mark.fault("several processes make `mlflow.db` at once", "one database, with all runs")
def test_processes_that_make_it_at_the_same_moment_make_one(tmp_path, fault):
    fault.hits()
    at = str(time.time() + 6)
    words = [sys.executable, "-c", ONE_RUN, str(tmp_path)]
    drivers = [subprocess.Popen([*words, key, at], stderr=subprocess.PIPE) for key in "ab"]
    said = [driver.communicate()[1].decode() for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], said
    assert said == ["", ""]
    with contextlib.closing(sqlite3.connect(tmp_path / layout.MLFLOW_DATABASE)) as opened:
        found = opened.execute("SELECT value FROM tags WHERE key = 'fdsweep.key'").fetchall()
    fault.counts([("a",), ("b",)], found)
