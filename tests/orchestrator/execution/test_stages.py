"""Trials through Ray: several workers, broken workers, interrupted drivers."""

import json
import os
import secrets
import signal
import subprocess
import tempfile
import time
import zipfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import ray
import torch
from commands import IMPATIENT, INTERRUPTIBLE, start, surroundings
from faults import rows

from fdsweep.orchestrator.execution.cluster import ResourceRequest, plan_resources
from fdsweep.orchestrator.execution.devices import room
from fdsweep.orchestrator.execution.devices.packing import Node
from fdsweep.orchestrator.execution.ray_compat import head, trainer
from fdsweep.orchestrator.execution.stages import run_plan
from fdsweep.orchestrator.execution.trial import train_name
from fdsweep.orchestrator.studies.plan import make_cells, make_plan
from fdsweep.search_spaces.sweep import validated
from fdsweep.trainers import datasets
from fdsweep.trainers.replicate import run_replicate

pytestmark = pytest.mark.ray

DATASET = datasets.find("watch")
ROWS = {
    "fd": {"name": "FD", "teacher": "random"},
    "none": {"name": "none", "method": "none"},
    "taught": {"name": "KD", "method": "kd"},
}


def own_pids(name):
    """The processes of that name of this process's own cluster, and nobody else's."""
    find = ["pgrep", "-P", str(os.getpid()), "raylet"]
    raylets = subprocess.run(find, capture_output=True, text=True, check=True).stdout.split()
    find = ["pgrep", "-P", ",".join(raylets), "-f", name]
    found = subprocess.run(find, capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in found.split()]


def kill_own(name):
    """Kill the processes of that name of this process's own cluster."""
    pids = own_pids(name)
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@dataclass
class Notes:
    """An observer that keeps what it is told."""

    outcomes: dict = field(default_factory=dict)
    failures: dict = field(default_factory=dict)
    ends: list = field(default_factory=list)
    events: list = field(default_factory=list)
    epochs: list = field(default_factory=list)
    interruptions: list = field(default_factory=list)

    def started(self, trial):
        pass

    def interrupted(self, trial, words):
        self.interruptions.append(words)

    def epoch(self, trial, metrics):
        self.epochs.append((metrics["seed"], metrics["epoch"]))

    def silent(self, trial, seconds, *, over):
        pass

    def keep(self, trial, seed, end):
        pass

    def finished(self, trial, seed, outcome):
        self.outcomes[trial.config.method, seed] = outcome
        self.ends.append((trial.key, seed))

    def failed(self, trial, seed, error):
        self.failures[trial.config.method, seed] = error

    def trained_elsewhere(self, trial):
        pass

    def winding_down(self):
        pass

    def waiting(self, replicates, holder):
        pass


def planned(storage, rows, missing=False, **changes):
    sweep = validated(
        {
            "study": "test",
            "title": "Test",
            "rows": [ROWS[row] for row in rows],
            "directions": ("accelerometer->gyroscope",),
            "seeds": (0,),
            "epochs": 2,
            **changes,
        },
        "test",
    )
    return make_plan(
        sweep,
        make_cells(sweep, DATASET.info),
        finished=set(),
        missing_teachers=lambda key, seeds: seeds if missing else (),
        storage=str(storage),
    )


def alone(trial, seed=0):
    """The same replicate in this process, without Ray, on one thread like a worker."""
    torch.set_num_threads(1)
    return json.loads(json.dumps(run_replicate(trial, DATASET.info, DATASET.folds()(seed), seed)))


def test_as_many_trials_run_as_the_cluster_has_room_for_now(cluster, monkeypatch):
    more = Node(cluster.nodes[0].cpus + 5, 0)
    monkeypatch.setattr(room, "LOOK_EVERY_S", 0.1)
    with room.Room(replace(cluster, nodes=(more,))) as found:
        assert found.places() == cluster.concurrent + 5
        time.sleep(2)
        assert found.places() == cluster.concurrent


def test_two_workers_give_the_curve_of_one(cluster, tmp_path):
    """In single precision; at a learning rate of 0.01 training itself magnifies the last bit of
    a weight to 1e-4 within one epoch, one worker or two. `test_distributed` compares in double.
    """
    plan = planned(tmp_path, ["fd"], lr=0.001)
    notes = Notes()
    run_plan(plan, plan_resources(ResourceRequest(workers_per_trial=2), 2, 0), str(tmp_path), notes)
    assert not notes.failures
    one, two = alone(plan.students[0]), notes.outcomes["fd-cmkd", 0]
    losses = {
        name: [value for _, split, metric, value in outcome["curves"] if "loss" in metric]
        for name, outcome in (("one", one), ("two", two))
    }
    assert len(losses["one"]) == 2 * 6
    assert losses["two"] == pytest.approx(losses["one"], rel=5e-4)
    assert two["kept"]["sample_id"] == one["kept"]["sample_id"]
    guesses = (outcome["kept"]["prediction"] for outcome in (one, two))
    same = [a == b for a, b in zip(*guesses, strict=True)]
    assert sum(same) > 0.99 * len(same)


def test_workers_serve_trial_after_trial_and_give_what_a_plain_process_gives(cluster, tmp_path):
    plan = planned(tmp_path, ["none", "fd"], directions=())
    pids = set()

    class Looking(Notes):
        def epoch(self, trial, metrics):
            super().epoch(trial, metrics)
            pids.update(own_pids("RayTrainWorker"))

        def finished(self, trial, seed, outcome):
            super().finished(trial, seed, outcome)
            self.outcomes[trial.key] = outcome

    notes = Looking()
    run_plan(plan, cluster, str(tmp_path), notes)
    assert len(plan.students) == 4
    assert notes.epochs == [(0, 1)] * 4  # the last epoch comes with the outcome
    assert len(pids) == cluster.concurrent == 2
    for trial in plan.students:
        expected = alone(trial)
        for name in expected.keys() - {"seconds"}:
            assert notes.outcomes[trial.key][name] == expected[name]


def test_a_student_without_a_teacher_does_not_wait_for_teachers(cluster, tmp_path):
    plan = planned(tmp_path, ["taught", "none"], epochs=1, missing=True)
    taught, free = plan.students

    class Ordered(Notes):
        def started(self, trial):
            self.events.append(("begun", trial.key))

        def finished(self, trial, seed, outcome):
            self.outcomes[trial.key] = outcome
            self.events.append(("ended", trial.key))

        def winding_down(self):
            self.events.append(("winding down", None))

    notes = Ordered()
    run_plan(plan, cluster, str(tmp_path), notes)
    assert not notes.failures
    (teacher,) = (trial.key for trial in plan.teachers)
    assert {*notes.events[:2]} == {("begun", teacher), ("begun", free.key)}
    assert notes.events.index(("ended", teacher)) < notes.events.index(("begun", taught.key))
    assert notes.events.index(("winding down", None)) > notes.events.index(("begun", taught.key))
    for trial in plan.students:
        assert notes.outcomes[trial.key]["kept"] == alone(trial)["kept"]


def test_a_worker_that_dies_between_two_trials_is_replaced(cluster, tmp_path):
    plan = planned(tmp_path, ["none", "fd"])
    resources = plan_resources(ResourceRequest(workers_per_trial=2), 2, 0)

    class Killer(Notes):
        def finished(self, trial, seed, outcome):
            super().finished(trial, seed, outcome)
            kill_own("RayTrainWorker")

    notes = Killer()
    run_plan(plan, resources, str(tmp_path), notes)
    assert not notes.failures
    assert set(notes.outcomes) == {("none", 0), ("fd-cmkd", 0)}


def test_a_trial_that_breaks_off_fails_its_seeds_and_no_other_trial(cluster, tmp_path):
    plan = planned(tmp_path, ["none"], seeds=(0, 1), epochs=1)
    good = plan.students[0]
    network = replace(good.config.network, dataset="gone")
    bad = replace(good, key="bad", config=replace(good.config, method="feat", network=network))
    notes = Notes()
    run_plan(replace(plan, students=(bad, good)), cluster, str(tmp_path), notes)
    assert set(notes.outcomes) == {("none", 0), ("none", 1)}
    assert set(notes.failures) == {("feat", 0), ("feat", 1)}
    assert "unknown data set 'gone'" in notes.failures["feat", 0]
    assert not list((tmp_path / "ray").glob("tune*"))


@pytest.mark.fault(
    "a training worker, or the process of a trial, is killed",
    "the trial goes on from its checkpoint, to the same numbers",
)
@pytest.mark.parametrize("victim", ["RayTrainWorker", "ImplicitFunc"])
def test_a_dead_process_of_a_trial_goes_on_from_its_checkpoint(cluster, tmp_path, victim, fault):
    """A worker or the trial itself is killed once, after seed 0 and two epochs of seed 1."""
    plan = planned(tmp_path, ["none"], seeds=(0, 1), epochs=3)
    trial = replace(plan.students[0], checkpoint_seconds=0.0)
    plan = replace(plan, students=(trial,))

    class Killer(Notes):
        def epoch(self, trial, metrics):
            super().epoch(trial, metrics)
            if metrics["seed"] == 1 and metrics["epoch"] == 2 and self.epochs.count((1, 2)) == 1:
                fault.hits()
                kill_own(victim)

    notes = Killer()
    run_plan(plan, cluster, str(tmp_path), notes)
    fault.counts([(trial.key, 0), (trial.key, 1)], notes.ends)
    assert not notes.failures
    assert notes.interruptions == ["a process or a node was lost; tried again in 1 s"]
    assert notes.epochs.count((0, 1)) == 1  # seed 0 was not trained again
    for seed in (0, 1):
        expected = alone(trial, seed)
        for name in ("curves", "kept", "best_epoch", "best_head", "test_score"):
            assert notes.outcomes["none", seed][name] == expected[name]


@pytest.mark.fault(
    "a checkpoint of Ray's, or its list of them, is garbage",
    "named once and dropped; the trial starts again",
)
def test_a_trial_with_a_damaged_checkpoint_starts_again(cluster, tmp_path, capfd, fault):
    """One has a list that Ray cannot read, the other a zip file that torch cannot read."""
    plan = planned(tmp_path, ["none", "fd"], epochs=1)
    unlisted, garbled = (tmp_path / "ray" / "train" / train_name(one) for one in plan.students)
    for folder in (unlisted, garbled):
        (folder / "one").mkdir(parents=True)
        with zipfile.ZipFile(folder / "one" / "replicates.pt", "w") as content:
            content.writestr("replicates/data.pkl", b"garbage")
    (unlisted / trainer.SNAPSHOT).write_text("garbage")
    result = {"checkpoint_dir_name": "one", "metrics": {}}
    listed = {name: [] for name in trainer._CheckpointManagerState.model_fields}
    listed |= {"ray_version": ray.__version__, "checkpoint_results": [result]}
    listed |= {"latest_checkpoint_result": result, "checkpoint_report_indices": [0]}
    (garbled / trainer.SNAPSHOT).write_text(json.dumps({**listed, "current_report_index": 0}))
    notes = Notes()
    fault.hits()
    run_plan(plan, cluster, str(tmp_path), notes)
    assert not notes.failures
    fault.counts([(trial.key, 0) for trial in plan.students], notes.ends)
    assert "no list of checkpoints; training starts again" in capfd.readouterr().err
    assert not list((tmp_path / "ray" / "train").iterdir())


@pytest.mark.fault(
    "Ctrl-C, once or again and again",
    "exit 130 and what to type, no process is left; the same command ends with the same numbers",
)
@pytest.mark.parametrize(
    ("sent", "pauses"),
    [
        (signal.SIGINT, (0.0, 0.3, 1.0, 1.0, 0.3, 0.3)),
        pytest.param(signal.SIGTERM, (0.0,), marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_driver_says_how_to_go_on(tmp_path, fault, sent, pauses):
    """In the middle of a replicate: exit 130, no process is left, and the same command ends the
    study. The cluster's token is written nowhere.

    Ray resets what SIGTERM does when it ends, so that a second one would kill.
    """
    path = tmp_path / "one.yaml"
    path.write_text(
        "title: One\nseeds: [0]\nepochs: 12\ndirections: [accelerometer->gyroscope]\n"
        "rows: [{name: w/o KD, method: none}]\n"
    )
    token = secrets.token_hex(32)
    typed = partial(
        start,
        *("run", path, "--storage", tmp_path / "runs"),
        first=INTERRUPTIBLE + IMPATIENT,
        environment=surroundings(RAY_AUTH_TOKEN=token),
    )
    first = typed()
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs" / "ray" / "train").glob("*/checkpoint_*")):
        assert time.monotonic() < deadline, "no checkpoint in two minutes"
        assert first.poll() is None, first.communicate()
        time.sleep(0.2)
    family = head.psutil.Process(first.pid).children(recursive=True)
    fault.hits()
    for pause in pauses:
        time.sleep(pause)
        first.send_signal(sent)
    stdout, stderr = first.communicate(timeout=60)
    left = [one for one in family if one.is_running() and one.status() != "zombie"]
    assert not left, stderr
    assert first.returncode == 130
    assert "interrupted. To go on, type: fdsweep run" in stderr
    assert "Traceback" not in stderr
    assert stdout == ""

    second = typed("--json")
    stdout, stderr = second.communicate(timeout=180)
    assert second.returncode == 0, stderr
    (row,) = json.loads(stdout)["tables"][0]["rows"]
    trial = planned(tmp_path / "other", ["none"], epochs=12).students[0]
    fault.counts([(trial.key, 0)], rows(tmp_path / "runs"))
    assert row["mean"] == pytest.approx(100 * alone(trial)["test_score"])
    sessions = Path(tempfile.gettempdir()).glob(f"ray/session_*_{first.pid}/logs")
    logs = max(sessions, key=lambda one: one.stat().st_mtime)  # numbers of processes come again
    written = [one for kept in (tmp_path, logs) for one in kept.rglob("*") if one.is_file()]
    assert not [one for one in written if token.encode() in one.read_bytes()]
