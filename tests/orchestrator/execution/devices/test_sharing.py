"""A plan on its devices: what the storage knows decides the order, and what stays as it was."""

import pytest

from fdsweep.orchestrator.execution.devices.sharing import shared_out
from fdsweep.orchestrator.execution.trial import train_name
from fdsweep.orchestrator.studies.plan import make_cells, make_plan
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.sweep import validated
from fdsweep.trainers import datasets

ROWS = [{"name": name, "method": name} for name in ("none", "kd", "feat")]
SWEEP = validated(
    {
        "study": "s",
        "title": "t",
        "rows": ROWS,
        "seeds": [0, 1, 2],
        "directions": ["accelerometer->gyroscope"],
    },
    "here",
)


@pytest.fixture
def store(tmp_path):
    return Store.create(str(tmp_path))


@pytest.fixture
def plan(store):
    return make_plan(
        SWEEP,
        make_cells(SWEEP, datasets.find("watch").info),
        finished=set(),
        missing_teachers=lambda key, seeds: seeds,
        storage=store.root,
    )


def taken(store, method, seconds):
    """Store that a replicate of another sweep with this method took so long."""
    numbers = dict.fromkeys(name for name in Replicate.model_fields if "score" in name)
    words = dict.fromkeys(("sweep", "study", "row", "key", "device", "metric"), method)
    rest = {"dataset": "watch", "task": "other", "status": "done", "seed": 0, "epochs": 2}
    sides = {"teacher_modality": "", "student_modality": "", "teacher_keys": ()}
    origin = {"fdsweep_version": "", "data_fingerprint": "", "environment": "", "config": "{}"}
    best = {"best_epoch": 0, "best_head": "main"}
    row = {**numbers, "test_score": 0.5, **words, **rest, **sides, **origin, **best}
    store.put(Replicate(**row, method=method, wall_seconds=seconds), [], [])


def test_what_took_longest_begins_first(store, plan):
    taken(store, "none", 1.0)
    taken(store, "feat", 9.0)  # of kd nothing is known: it is taken for usual
    shared = shared_out(plan, store, places=1)
    assert [trial.config.method for trial in shared.students] == ["feat", "kd", "none"]
    assert {trial.seeds for trial in shared.students} == {(0, 1, 2)}


def test_many_devices_split_cells_and_teachers(store, plan):
    shared = shared_out(plan, store, places=64)
    assert [len(shared.students), len(shared.teachers)] == [9, 3]
    assert shared.left == plan.left
    assert [len(part) for part in (shared_out(plan, store, 64, 2).students, plan.students)] == [
        6,
        3,
    ]


def test_an_interrupted_trial_is_found_by_its_checkpoint(store, plan):
    begun = shared_out(plan, store, 2, given=2).students[0]
    store.write_text(f"{layout.train_folder(train_name(begun))}/checkpoint_0/state", "")
    names = {train_name(trial) for trial in shared_out(plan, store, places=64).students}
    assert train_name(begun) in names
    assert len(names) == 6
