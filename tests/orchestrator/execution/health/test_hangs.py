"""Workers that take no more steps: the trial goes on from its checkpoint in another worker."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pyarrow.parquet as pq
import pytest
import torch
from commands import IMPATIENT, start
from faults import rows
from packages import write_installed

from fdsweep.orchestrator.execution import stages
from fdsweep.orchestrator.execution.health import heartbeats
from fdsweep.orchestrator.studies.plan import make_cells, make_plan
from fdsweep.search_spaces.sweep import load_sweep
from fdsweep.trainers import datasets, distillers
from fdsweep.trainers.replicate import run_replicate

pytestmark = [pytest.mark.ray, pytest.mark.slow]

DATASET = datasets.find("watch")
HANG_S = 8.0
OUTCOME = "started again from its checkpoint after `--hang-timeout`, here 8 s; the same numbers"

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

ATTENTIVE = """
import functools
from fdsweep.orchestrator.execution.health import heartbeats
heartbeats.Listener = functools.partial(heartbeats.Listener, 4.0)
"""
"""A word after four seconds."""


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """Installs the method for this process and its children; the file that it writes."""
    files, points = {"stuck_method.py": STUCK}, {"stuck": "stuck_method"}
    site = write_installed(tmp_path / "site", "stuck", files, points)
    monkeypatch.syspath_prepend(str(site))
    path = [str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.setenv("EPOCHS", str(tmp_path / "epochs"))
    distillers.names()  # imports ours first
    monkeypatch.setattr(distillers.registry, "_entries", dict(distillers.registry._entries))
    yield tmp_path / "epochs"
    sys.modules.pop("stuck_method", None)


def begun(log):
    """The epochs that were begun, one for each process that began it."""
    lines = log.read_text().split() if log.exists() else []
    return [int(line.partition(":")[2]) for line in lines]


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
    """The command line at work."""
    return start(*words, "--hang-timeout", HANG_S / 60, first=IMPATIENT + ATTENTIVE)


@pytest.mark.fault("a step of a training does not end", OUTCOME)
def test_a_worker_whose_step_does_not_end_ends_itself(fault, stuck, tmp_path):
    path, storage = tmp_path / "one.yaml", tmp_path / "runs"
    path.write_text(SWEEP.replace("METHOD", "stuck"))
    driver = fdsweep("run", path, "--storage", storage)
    for found in (fault.hits, fault.over):
        until = 1 + (found == fault.over)
        while driver.poll() is None and begun(stuck).count(3) < until:
            time.sleep(0.1)
        found()
    _, told = driver.communicate(timeout=180)
    assert driver.returncode == 0, told
    assert "seeds 0: no step since" in told
    assert begun(stuck) == [0, 0, 1, 2, 3, 3, 4]  # the first one is an estimate's
    trial = planned(path, storage).students[0]
    curves = pq.read_table(next((storage / "curves").glob("*.parquet"))).to_pylist()
    columns = ("epoch", "split", "metric", "value")
    assert [[point[column] for column in columns] for point in curves] == alone(trial)["curves"]
    fault.counts([(trial.key, 0)], rows(storage))


def own(victim):
    """The processes called `victim` of this process's own cluster, and of nobody else's."""
    find = ["pgrep", "-P", str(os.getpid()), "raylet"]
    raylets = subprocess.run(find, capture_output=True, text=True, check=True).stdout.split()
    find = ["pgrep", "-P", ",".join(raylets), "-f", victim]
    return [*map(int, subprocess.run(find, capture_output=True, text=True).stdout.split())]


class Stopper:
    """An observer that stops processes after three epochs, and keeps what it is told."""

    def __init__(self, fault, victim):
        self.fault, self.victim, self.stopped, self.ended, self.words = fault, victim, [], [], []

    def started(self, trial):
        pass

    def epoch(self, trial, metrics):
        if self.stopped:
            self.fault.over()
        elif metrics["epoch"] == 3:
            self.stopped = own(self.victim)
            for process in self.stopped:
                os.kill(process, signal.SIGSTOP)
            self.fault.hits()

    def silent(self, trial, seconds, *, over):
        self.words.append("silent" if not over else "goes on")

    def keep(self, trial, seed, end):
        self.ended.append((trial.key, seed, end))

    def finished(self, trial, seed, outcome):
        pass

    def interrupted(self, trial, words):
        self.words.append(words)


@pytest.mark.fault("a training worker, or the process of a trial, is stopped (SIGSTOP)", OUTCOME)
@pytest.mark.parametrize("victim", ["RayTrainWorker", "ImplicitFunc"])
def test_a_process_that_is_stopped_is_given_up(fault, cluster, tmp_path, monkeypatch, victim):
    monkeypatch.setattr(heartbeats, "Listener", partial(heartbeats.Listener, HANG_S / 2))
    monkeypatch.setattr(heartbeats, "GRACE_S", HANG_S / 2)
    path, notes = tmp_path / "one.yaml", Stopper(fault, victim)
    path.write_text(SWEEP.replace("METHOD", "kd"))
    plan = planned(path, tmp_path / "runs")
    trial = replace(plan.students[0], checkpoint_seconds=0.0)
    plan, resources = replace(plan, students=(trial,)), replace(cluster, hang_seconds=HANG_S)
    stages.run_plan(plan, resources, str(tmp_path / "runs"), notes)
    assert notes.stopped
    assert not {*notes.stopped} & {*own(victim)}
    interrupted = notes.words.index("a process or a node was lost; tried again in 1 s")
    assert notes.words[interrupted - 1] == "silent"
    fault.counts([(trial.key, 0)], [(key, seed) for key, seed, _ in notes.ended])
    assert notes.ended[0][2]["curves"] == alone(trial)["curves"]
