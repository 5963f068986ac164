"""Two real drivers on one storage, each with a Ray of its own and one core.

FDSWEEP_TIMES says how often the first test is done; `-s` shows what each time took.
"""

import json
import os
import time

import pytest
from commands import start, surroundings
from faults import rows

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RECORDED = """
import os
import filelock
from fdsweep.orchestrator.tracking.recorder import Recorder

started, finished = Recorder.started, Recorder.finished

def write(what, trial, seeds):
    with open(os.environ["TRAININGS"], "a") as file:
        for seed in seeds:
            print(what, os.getpid(), trial.kind, trial.key, seed, file=file)

def starts(self, trial):
    write("starts", trial, trial.seeds)
    started(self, trial)

def ends(self, trial, seed, outcome):
    write("ends", trial, [seed])
    finished(self, trial, seed, outcome)

Recorder.started, Recorder.finished = starts, ends
os.environ.setdefault("RAY_AUTH_TOKEN", "0" * 64)  # before Ray is imported, as `connect` does
import ray

start = ray.init

def init(**options):
    with filelock.FileLock(os.environ["STARTING"]):  # Ray gives its start 30 s and no more
        return start(num_cpus=1, **options)

ray.init = init
"""
"""Every start and every end of a training is written down."""

SWEEP = """
title: Two
seeds: [0, 1]
epochs: 2
directions: [accelerometer->gyroscope]
rows: [{name: w/o KD, method: none}, {name: KD, method: kd}]
"""


@pytest.fixture
def drivers(tmp_path):
    """Two drivers, started at the same moment on a storage that is not there yet."""
    (tmp_path / "two.yaml").write_text(SWEEP)
    started = []
    for i in range(2):
        environment = surroundings(
            TRAININGS=str(tmp_path / "trainings"),
            STARTING=str(tmp_path / "starting.lock"),
            MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow-{i}.db",
        )
        words = ["run", tmp_path / "two.yaml", "--json", "--storage", tmp_path / "runs"]
        # MLflow puts pictures into the folder where it runs.
        started.append(start(*words, first=RECORDED, environment=environment, folder=tmp_path))
    yield started
    for driver in started:
        driver.kill()
        driver.communicate()


def trainings(tmp_path, what="ends"):
    """Process, kind, key and seed of every training that ended, or that "starts"."""
    path = tmp_path / "trainings"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(int(pid), kind, key, int(seed)) for one, pid, kind, key, seed in lines if one == what]


def ended(driver):
    """n of each row of the table that the driver printed."""
    out, err = driver.communicate(timeout=300)
    assert driver.returncode == 0, err
    return [row["n"] for row in json.loads(out)["tables"][0]["rows"]]


def left_in(tmp_path):
    ray = [path.name for path in (tmp_path / "runs" / "ray").iterdir()]
    leases = (tmp_path / "runs" / "locks" / "leases").iterdir()
    return ray, [path.name for path in leases]


@pytest.mark.fault(
    "two drivers start on a fresh storage at once",
    "each trains a part, nothing is trained twice; both print the whole table and exit 0",
)
@pytest.mark.parametrize("number", range(int(os.environ.get("FDSWEEP_TIMES", "1"))))
def test_they_share_the_work_and_train_nothing_twice(drivers, tmp_path, number, fault):
    fault.hits()
    assert [ended(driver) for driver in drivers] == [[2, 2], [2, 2]]
    for what in ("starts", "ends"):
        found = trainings(tmp_path, what)
        assert len(found) == len({(kind, key, seed) for _, kind, key, seed in found}) == 6
        assert {pid for pid, *_ in found} == {driver.pid for driver in drivers}
    students = [(key, seed) for _, kind, key, seed in found if kind == "student"]
    fault.counts(students, rows(tmp_path / "runs"))
    print(f"{len(found)} trainings, {fault.ended - fault.began:.0f} s")
    assert left_in(tmp_path) == (["train"], [".clock"])
    assert not list((tmp_path / "runs" / "ray" / "train").iterdir())


@pytest.mark.fault(
    "one of two drivers is killed",
    "the other takes over what it leased and ends with the whole table",
)
def test_the_other_takes_over_from_one_that_is_killed(drivers, tmp_path, fault):
    deadline = time.monotonic() + 200
    while not (taught := [pid for pid, kind, *_ in trainings(tmp_path) if kind == "teacher"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (victim,) = [driver for driver in drivers if driver.pid == taught[0]]
    (heir,) = [driver for driver in drivers if driver is not victim]
    fault.hits()
    victim.kill()
    victim.communicate()
    assert ended(heir) == [2, 2]
    found = [(kind, key, seed) for _, kind, key, seed in trainings(tmp_path)]
    assert len(found) == len({*found})  # a teacher may be stored, and its end not be told any more
    students = [(key, seed) for kind, key, seed in found if kind == "student"]
    assert len(students) == 4
    fault.counts(students, rows(tmp_path / "runs"))
