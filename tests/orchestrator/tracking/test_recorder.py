"""When a tracker is told of what: a replicate from its start on, and one after the other."""

import pytest

from fdsweep.orchestrator.studies.plan import make_cells, make_plan
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Recorder
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.sweep import validated
from fdsweep.trainers import datasets

BROKEN = {"error": "it broke", "traceback": "line"}
REPORT = {
    **{"seed": 0, "epoch": 1, "epochs": 2, "loss": 1.0, "split": "val", "score": 0.5},
    **{"curves": [(0, "val", "accuracy", 0.5)], "usage": [("x_percentage", 9.0)], "log": "h:/log"},
}


class Told:
    """A tracker that keeps what it is told, in order."""

    def __init__(self):
        self.words = []

    def begin(self, run):
        self.words.append(("begin", *run.identity))

    def add(self, identity, metrics, tags):
        self.words.append(("add", *identity, metrics, tags))

    def log(self, run):
        self.words.append(("log", *run.identity))


@pytest.fixture
def recorder(tmp_path):
    rows = [{"name": "none", "method": "none"}]
    fields = {"study": "one", "title": "One", "rows": rows, "seeds": [0, 1, 2], "epochs": 2}
    sweep = validated({**fields, "directions": ["accelerometer->gyroscope"]}, "one.yaml")
    cells = make_cells(sweep, datasets.find("watch").info)
    plan = make_plan(
        sweep, cells, finished=set(), missing_teachers=lambda *_: (), storage=str(tmp_path)
    )
    return Recorder(sweep, plan, Store(str(tmp_path)), Told(), Progress(plan.left))


def test_each_replicate_begins_when_the_one_before_it_has_ended(recorder):
    (trial,) = recorder.plan.students
    told, key = recorder.tracker.words, trial.key
    recorder.started(trial)
    assert told == [("begin", key, "0")]
    recorder.epoch(trial, REPORT)
    points = [("val_accuracy", 0.5, 0), ("system/x_percentage", 9.0, 0)]
    assert told[1:] == [("add", key, "0", points, {"fdsweep.worker_log": "h:/log"})]
    recorder.interrupted(trial, "a node was lost")
    recorder.started(trial)  # it goes on
    recorder.keep(trial, 0, BROKEN)
    recorder.failed(trial, 0, "it broke")
    assert told[2:] == [("log", key, "0"), ("begin", key, "1")]
    recorder.epoch(trial, {**REPORT, "seed": 2})  # what became of 1 is still being stored
    recorder.keep(trial, 1, BROKEN)
    recorder.failed(trial, 1, "it broke")
    assert [word[:3] for word in told[4:]] == [
        ("begin", key, "2"),
        ("add", key, "2"),
        ("log", key, "1"),
    ]


def test_one_that_never_started_does_not_begin(recorder):
    (trial,) = recorder.plan.students
    for seed in trial.seeds:  # its teacher failed
        recorder.keep(trial, seed, BROKEN)
        recorder.failed(trial, seed, "its teacher failed")
    assert {word for word, *_ in recorder.tracker.words} == {"log"}
