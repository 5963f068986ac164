"""Damaged files of a storage, and the commands that read or plan: never a traceback."""

import contextlib
import json
import sqlite3

import pandas as pd
import pytest
import torch
from faults import rows as stored_rows
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.search.run import whole_database
from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Recorder
from fdsweep.orchestrator.tracking.sync import stored_runs
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.sweep import validated
from fdsweep.trainers import teachers
from fdsweep.trainers.students.record import SCHEMA as STUDENT_SCHEMA
from fdsweep.trainers.students.record import StudentRecord

pytestmark = pytest.mark.slow  # a study is stored for each of many cases

SEEDS = (0, 1)
WEIGHTS = {"bias": torch.zeros(1)}
CURVES = [(0, "train", "loss_total", 1.0), (0, "val", "accuracy", 0.5)]


CONTENT = b"weights"
STUDENT = {
    **{"keep": "best", "config": {"method": "none", "teacher": None}, "dataset": "watch"},
    "network": {
        **{"backbone": "cnn1d", "version": 1, "channels": 3, "outputs": 7},
        "features": "post-relu",
    },
    **{"data_fingerprint": "", "modality": "gyroscope", "payload": {"kind": "signal"}},
    **{"assets": {}, "task": "classification", "metric": "accuracy", "classes": ("PEN",)},
    **{"best_score": 0.5, "val_score": 0.5, "test_score": 0.5, "licence": "", "source": ""},
    "fdsweep_version": "0",
}


class Tracker:
    """Is told everything, and keeps nothing."""

    def log(self, run):
        pass


def outcome(seed):
    return {
        "best_epoch": 0,
        "best_head": "logits",
        "val_score": 0.5,
        "test_score": 0.5 + seed / 10,
        "test_score_last": 0.5,
        "test_score_best": 0.7,
        "best_score": 0.5,
        "seconds": 1.0,
        "device": "cpu",
        "environment": "",
        "curves": CURVES,
        "kept": {
            "sample_id": ["a", "b"],
            "group": ["s", "t"],
            "label": [0, 1],
            "prediction": [0, seed],
        },
    }


def prepare(root):
    rows = [{"name": name, "method": name} for name in ("none", "kd")]
    fields = {"study": "two", "title": "Two", "rows": rows, "seeds": list(SEEDS), "epochs": 1}
    sweep = validated({**fields, "directions": ["accelerometer->gyroscope"]}, "two.yaml")
    return studies.prepare(sweep, StudyOptions(storage=str(root)))


@pytest.fixture
def finished(tmp_path):
    """The storage of a study whose every network is trained, in a way."""
    study = prepare(tmp_path / "runs")
    manifests.add(study.store, study.manifest)
    recorder = Recorder(study.sweep, study.plan, study.store, Tracker(), Progress(1))
    for trial in study.plan.students:
        for seed in trial.seeds:
            recorder.keep(trial, seed, outcome(seed))
    for trial in study.plan.teachers:
        for seed in trial.seeds:
            teachers.save(study.store.root, trial.key, seed, WEIGHTS, {"test_score": 0.5})
    return study.store


def read(command, store):
    result = CliRunner().invoke(app, [command, "--json", "--storage", store.root])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout), result.stderr


def left(store):
    plan = prepare(store.root).plan
    return [{(trial.key, seed) for trial in kind for seed in trial.seeds}
            for kind in (plan.teachers, plan.students)]  # fmt: skip


@pytest.mark.fault(
    "a file of `results/`, `curves/` or `predictions/` is lost or damaged",
    "named once, a damaged one kept as `.damaged`; its replicate alone is trained again",
)
@pytest.mark.parametrize("folder", ["results", "curves", "predictions"])
@pytest.mark.parametrize("content", [None, b"garbage"])
def test_one_replicate_is_planned_again_and_the_rest_stays(finished, folder, content, fault):
    store = finished
    assert left(store) == [set(), set()]
    rows = store.replicates()
    key, seed = rows["key"][0], int(rows["seed"][0])
    place = f"{folder}/{layout.replicate_file(key, seed)}"
    planned = stored_rows(store.root)
    fault.hits()
    store.delete_file(place) if content is None else store.write(place, content)

    _, told = read("report", store)
    assert ("is damaged" in told) == (content is not None)
    assert ("is missing; running the sweep trains 1 replicate" in told) == (folder != "results")
    status, told = read("status", store)
    assert status["sweeps"][0]["done"] == (3 if folder == "results" else 4)
    assert told == ""
    assert left(store)[1] == {(key, seed)}

    study = prepare(store.root)
    manifest = manifests.look_up(store, study.plan.sweep)
    assert len([*stored_runs(store, manifest)]) == (4 if folder == "predictions" else 3)
    recorder = Recorder(study.sweep, study.plan, store, Tracker(), Progress(1))
    (trial,) = study.plan.students
    recorder.keep(trial, seed, outcome(seed))
    assert left(store) == [set(), set()]
    pd.testing.assert_frame_equal(store.replicates(), rows)
    fault.counts(planned, stored_rows(store.root))


@pytest.mark.fault(
    "a kept student's weights or record are lost or damaged",
    "named once and listed no more; nothing is trained for it",
)
@pytest.mark.parametrize("place", [layout.student_weights, layout.student_record])
@pytest.mark.parametrize("content", [None, b"{"])
def test_a_kept_student_is_no_reason_to_train(finished, place, content, fault):
    store = finished
    key, seed, planned = prepare(store.root).plan.cells[0].key, 1, stored_rows(store.root)
    record = {"key": key, "seed": seed, "head": None, "size": len(CONTENT), **STUDENT}
    store.write(layout.student_weights(key, seed), CONTENT)
    store.write_text(
        layout.student_record(key, seed), StudentRecord(**record).to_text(STUDENT_SCHEMA)
    )
    assert [one["rows"] for one in read("models", store)[0]["models"]] == [["none"]]
    fault.hits()
    harmed = place(key, seed)
    store.delete_file(harmed) if content is None else store.write(harmed, content)
    listed, told = read("models", store)
    assert listed["models"] == []
    is_silent = content is None and place is layout.student_record  # as if it had never been there
    assert ("is damaged" in told) != is_silent
    assert read("models", store) == (listed, "")
    assert left(store) == [set(), set()]
    fault.counts(planned, stored_rows(store.root))


@pytest.mark.fault(
    "`sweep.json` is garbage",
    "named once, the storage's other sweeps are shown; running the sweep writes it again",
)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_garbage_for_a_sweep_costs_the_others_nothing_and_is_written_again(
    finished, content, fault
):
    store = finished
    planned = stored_rows(store.root)
    fault.hits()
    study = prepare(store.root)
    name = study.plan.sweep
    place = layout.report_file(name, "sweep.json")
    whole = store.read(place)
    store.write(layout.report_file("other", "sweep.json"), whole)
    store.write(place, content)

    status, told = read("status", store)
    assert len(status["sweeps"]) == 1
    assert told.count("sweep.json is damaged (no sweep: ") == 1
    assert read("report", store)[1] == ""
    manifests.add(store, study.manifest)
    assert store.read(place) == whole
    assert manifests.look_up(store, name).seeds == SEEDS
    fault.counts(planned, stored_rows(store.root))


def test_garbage_for_a_record_of_searches_costs_the_report_that_part_alone(finished):
    store = finished
    name = read("status", store)[0]["sweeps"][0]["sweep"]
    store.write(layout.report_file(name, "searches.json"), b"{")
    document, told = read("report", store)
    assert document["tables"][0]["rows"][0]["n"] == 2
    assert "searches.json is damaged" in told
    assert read("report", store) == (document, "")


@pytest.mark.fault(
    "the record of a cached teacher is lost or garbage", "that teacher is trained again, no student"
)
@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_teacher_that_lost_its_record_is_trained_again_for_the_table(finished, content, fault):
    store = finished
    planned = stored_rows(store.root)
    fault.hits()
    key = store.replicates()["teacher_keys"].map(len).gt(0)
    (key,) = store.replicates()["teacher_keys"][key].iloc[0]
    place = layout.teacher_record(key, 1)
    store.delete_file(place) if content is None else store.write(place, content)
    assert read("report", store)[0]["tables"]
    assert left(store) == [{(key, 1)}, set()]
    fault.counts(planned, stored_rows(store.root))


@pytest.mark.fault(
    "a cached teacher's weights are lost or damaged",
    "named once, damaged ones kept as `.damaged`; trained again before the student that needs them",
)
@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_teacher_that_lost_its_weights_is_trained_again_before_its_student(
    finished, content, fault
):
    store = finished
    planned = stored_rows(store.root)
    (trial,) = [one for one in prepare(store.root).plan.cells if one.config.teacher_keys]
    (key,) = trial.config.teacher_keys
    fault.hits()
    store.delete_file(f"results/{layout.replicate_file(trial.key, 1)}")
    place = layout.teacher_weights(key, 1)
    store.delete_file(place) if content is None else store.write(place, content)
    assert left(store) == [{(key, 1)}, {(trial.key, 1)}]

    study = prepare(store.root)
    teachers.save(store.root, key, 1, WEIGHTS, {"test_score": 0.5})
    recorder = Recorder(study.sweep, study.plan, store, Tracker(), Progress(1))
    recorder.keep(study.plan.students[0], 1, outcome(1))
    assert left(store) == [set(), set()]
    fault.counts(planned, stored_rows(store.root))


@pytest.mark.fault(
    "`optuna.db` is damaged", "set aside and named once; its searches start again, rows stay"
)
@pytest.mark.parametrize("harm", ["garbage", "cut off"])
def test_a_damaged_database_of_searches_makes_way(tmp_path, harm, capsys, fault):
    store = Store.create(str(tmp_path))
    path = whole_database(store)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE trials (number)")
        database.executemany("INSERT INTO trials VALUES (?)", [(n,) for n in range(2000)])
    whole = path.read_bytes()
    assert whole_database(store).read_bytes() == whole
    fault.hits()
    path.write_bytes({"garbage": b"?" * 5000, "cut off": whole[: len(whole) // 2]}[harm])
    whole_database(store)
    fault.counts((), stored_rows(tmp_path))
    assert not path.exists()
    assert capsys.readouterr().err.count("optuna.db is damaged") == 1


def test_a_locked_database_is_not_damaged(tmp_path, monkeypatch):
    store = Store.create(str(tmp_path))
    path = store.local(layout.OPTUNA_DATABASE)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", lambda path: connect(path, timeout=0))
    assert whole_database(store) == path
    assert path.exists()
    holder.close()
