"""A real study, looked at in MLflow while it runs, stopped by Ctrl-C, and gone on with."""

import signal
import sqlite3
import time
from contextlib import closing
from functools import partial

import pandas as pd
import pytest
from commands import INTERRUPTIBLE, start, surroundings

from fdsweep.search_spaces import layout

pytestmark = [pytest.mark.ray, pytest.mark.slow]

STUDY = """
title: One row
seeds: [0]
epochs: 24
directions: [accelerometer->gyroscope]
rows: [{name: alone, method: none}]
"""
RUNS = "SELECT run_uuid, status FROM runs JOIN tags USING (run_uuid) WHERE key = 'fdsweep.key'"
POINTS = "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY step"
TAG = "SELECT value FROM tags WHERE run_uuid = ? AND key = ?"
USAGE = "SELECT DISTINCT key FROM metrics WHERE run_uuid = ? AND key LIKE 'system/%'"


def test_a_run_grows_is_killed_by_ctrl_c_and_is_ended_by_the_same_command(tmp_path):
    (tmp_path / "one.yaml").write_text(STUDY)
    database = tmp_path / "runs" / layout.MLFLOW_DATABASE
    environment = surroundings()
    environment.pop("MLFLOW_TRACKING_URI", None)
    words = ["run", tmp_path / "one.yaml", "--storage", tmp_path / "runs"]
    typed = partial(start, *words, first=INTERRUPTIBLE, environment=environment)

    def ask(query, *values):
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened:
            return opened.execute(query, values).fetchall()

    def wait_for(points):
        """The run, as soon as it shows so many points of its curve."""
        while driver.poll() is None:
            if database.exists():
                for run, status in ask(RUNS):
                    if len(ask(POINTS, run, "val_accuracy")) >= points:
                        return run, status
            time.sleep(0.1)
        raise AssertionError(driver.communicate())

    driver = typed()
    run, status = wait_for(points=2)
    assert status == "RUNNING"
    driver.send_signal(signal.SIGINT)
    _, told = driver.communicate()
    assert driver.returncode == 130, told
    assert ask(RUNS) == [(run, "KILLED")]
    driver = typed()
    _, told = driver.communicate()
    assert driver.returncode == 0, told
    assert ask(RUNS) == [(run, "FINISHED")]
    curves = pd.read_parquet(tmp_path / "runs" / "curves")
    curve = curves[(curves["split"] == "val") & (curves["metric"] == "accuracy")]
    assert ask(POINTS, run, "val_accuracy") == [*zip(curve["epoch"], curve["value"], strict=True)]
    ((log,),) = ask(TAG, run, "fdsweep.worker_log")
    assert "/worker-" in log
    assert ("system/process_cpu_percentage",) in ask(USAGE, run)
    assert ask(TAG, run, "fdsweep.dashboard") == []  # a local cluster has none
