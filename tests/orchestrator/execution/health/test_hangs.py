"""Workers that take no more steps: the trial goes on from its checkpoint in another worker."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial

import pyarrow.parquet as pq
import pytest
import torch

from fdsweep.orchestrator.execution import stages
from fdsweep.orchestrator.execution.health import heartbeats
from fdsweep.orchestrator.studies.plan import make_cells, make_plan
from fdsweep.search_spaces.sweep import load_sweep
from fdsweep.trainers import datasets, distillers
from fdsweep.trainers.replicate import run_replicate

pytestmark = [pytest.mark.ray, pytest.mark.slow]

DATASET = datasets.find("watch")
HANG_S = 8.0

SWEEP = """
title: One
seeds: [0]
epochs: 5
directions: [accelerometer->gyroscope]
rows: [{name: KD, method: METHOD, teacher: random}]
"""

STUCK = """
import os
import time
from pathlib import Path

from fdsweep.trainers.distillers import registry
from fdsweep.trainers.distillers.kd import KD

@registry.register("stuck")
class Stuck(KD):
    def forward(self, student, teacher, labels):
        log = Path(os.environ["EPOCHS"])
        begun = log.read_text().split() if log.exists() else []
        if f"{os.getpid()}:{self.epoch}" not in begun:
            with log.open("a") as file:
                print(f"{os.getpid()}:{self.epoch}", file=file)
            if self.epoch == 3 and not any(one.endswith(":3") for one in begun):
                time.sleep(3600)
        return super().forward(student, teacher, labels)
"""
"""A method that hangs when it comes to the fourth epoch for the first time."""

IMPATIENT = """
import functools
from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.execution.health import heartbeats
from fdsweep.orchestrator.search import run
from fdsweep.orchestrator.studies import plan
heartbeats.Listener = functools.partial(heartbeats.Listener, 4.0)
for module, name in ((plan, "TrialConfig"), (run, "PointConfig")):
    setattr(module, name, functools.partial(getattr(module, name), checkpoint_seconds=0.0))
app()
"""
"""The command line, with a checkpoint after each epoch, and a word after four seconds."""


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """Installs the method for this process and its children; the file that it writes."""
    info = tmp_path / "site" / "stuck-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fdsweep.distillers]\nstuck = stuck_method\n")
    (info.parent / "stuck_method.py").write_text(STUCK)
    monkeypatch.syspath_prepend(str(info.parent))
    path = [str(info.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.setenv("EPOCHS", str(tmp_path / "epochs"))
    distillers.names()  # imports ours first
    monkeypatch.setattr(distillers.registry, "_entries", dict(distillers.registry._entries))
    yield tmp_path / "epochs"
    sys.modules.pop("stuck_method", None)


def planned(path, storage):
    return make_plan(
        load_sweep(path),
        make_cells(load_sweep(path), DATASET.info),
        finished=set(),
        missing_teachers=lambda key, seeds: (),
        storage=str(storage),
    )


def alone(trial):
    """The same replicate in this process, without Ray, on one thread like a worker."""
    torch.set_num_threads(1)
    return json.loads(json.dumps(run_replicate(trial, DATASET.info, DATASET.folds()(0), 0)))


def fdsweep(*words):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_A")}
    command = [sys.executable, "-c", IMPATIENT, *map(str, words)]
    timeout = ["--hang-timeout", str(HANG_S / 60)]
    return subprocess.run(
        [*command, *timeout], env=environment, capture_output=True, text=True, timeout=180
    )


def test_a_worker_whose_step_does_not_end_ends_itself(stuck, tmp_path):
    path, storage = tmp_path / "one.yaml", tmp_path / "runs"
    path.write_text(SWEEP.replace("METHOD", "stuck"))
    ended = fdsweep("run", path, "--storage", storage)
    assert ended.returncode == 0, ended.stderr
    assert "seeds 0: no step since" in ended.stderr
    assert "seeds 0: goes on after" in ended.stderr
    begun = [one.split(":") for one in stuck.read_text().split()]
    assert [int(epoch) for _, epoch in begun] == [0, 0, 1, 2, 3, 3, 4]  # the first is an estimate
    assert sorted(Counter(worker for worker, _ in begun).values()) == [1, 2, 4]
    curves = pq.read_table(next((storage / "curves").glob("*.parquet"))).to_pylist()
    expected = alone(planned(path, storage).students[0])["curves"]
    columns = ("epoch", "split", "metric", "value")
    assert [[point[column] for column in columns] for point in curves] == expected


def own_workers():
    """The Train workers of this process's own cluster, and nobody else's."""
    find = ["pgrep", "-P", str(os.getpid()), "raylet"]
    raylets = subprocess.run(find, capture_output=True, text=True, check=True).stdout.split()
    find = ["pgrep", "-P", ",".join(raylets), "-f", "RayTrainWorker"]
    return [*map(int, subprocess.run(find, capture_output=True, text=True).stdout.split())]


class Stopper:
    """An observer that stops the workers after three epochs, and keeps what it is told."""

    def __init__(self):
        self.stopped, self.epochs, self.outcomes, self.silences = [], [], [], []

    def started(self, trial):
        pass

    def epoch(self, trial, metrics):
        self.epochs.append(metrics["epoch"])
        if metrics["epoch"] == 3 and not self.stopped:
            self.stopped = own_workers()
            for worker in self.stopped:
                os.kill(worker, signal.SIGSTOP)

    def silent(self, trial, seconds, *, over):
        self.silences.append(over)

    def keep(self, trial, seed, end):
        self.outcomes.append(end)

    def finished(self, trial, seed, outcome):
        pass


def test_a_worker_that_is_stopped_is_given_up(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeats, "Listener", partial(heartbeats.Listener, HANG_S / 2))
    path, notes = tmp_path / "one.yaml", Stopper()
    path.write_text(SWEEP.replace("METHOD", "kd"))
    plan = planned(path, tmp_path / "runs")
    trial = replace(plan.students[0], checkpoint_seconds=0.0)
    plan, resources = replace(plan, students=(trial,)), replace(cluster, hang_seconds=HANG_S)
    stages.run_plan(plan, resources, str(tmp_path / "runs"), notes)
    (outcome,) = notes.outcomes
    assert notes.stopped
    assert not {*notes.stopped} & {*own_workers()}
    assert notes.epochs in ([1, 2, 3, 4], [1, 2, 3, 3, 4])
    assert notes.silences[-2:] == [False, True]
    assert outcome["curves"] == alone(trial)["curves"]


def test_a_trial_of_a_search_goes_on_too(stuck, tmp_path):
    path, storage = tmp_path / "space.yaml", tmp_path / "runs"
    path.write_text("title: T\nparameters:\n  temperature: {low: 1.0, high: 8.0}\n")
    words = ["--space", path, "--method", "stuck", "--trials", "1", "--epochs", "5"]
    words += ["--seeds", "1", "--tuning-seeds", "0", "--direction", "accelerometer->gyroscope"]
    ended = fdsweep("search", *words, "--storage", storage, "--pruner", "none")
    assert ended.returncode == 0, ended.stderr
    assert "trial 0: goes on after" in ended.stderr
