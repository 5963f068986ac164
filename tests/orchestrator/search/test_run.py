"""`fdsweep search` as a user types it: killed in the middle, typed again, typed once more."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from fdsweep.orchestrator.bulletins.hearing import hear
from fdsweep.search_spaces.storage import Storage

pytestmark = pytest.mark.ray

TRIALS = 4
WORDS = ["search", "--trials", str(TRIALS), "--epochs", "2", "--tuning-seeds", "1", "--seeds", "2"]
WORDS += ["--direction", "accelerometer->gyroscope"]


def command(storage):
    program = str(Path(sys.executable).with_name("fdsweep"))
    return [program, *WORDS, "--storage", str(storage)]


def is_made(database):
    """Whether it has all its tables: Optuna would make them here while the driver does."""
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened:
        try:
            return bool(opened.execute("SELECT * FROM alembic_version").fetchall())
        except sqlite3.OperationalError:
            return False


def trials(storage):
    """(state, params) of the only study's trials, in order; none before there is a study."""
    database = storage / "optuna.db"
    if not database.exists() or not is_made(database):
        return []
    place = f"sqlite:///{database}"
    names = optuna.get_all_study_names(place)
    found = optuna.load_study(study_name=names[0], storage=place).trials if names else []
    return [(t.state.name, t.params) for t in found if t.state.name != "WAITING"]


def look(storage):
    """What has become of drivers, and how far they say they are."""
    return [(heard.state, heard.bulletin) for heard in hear(Storage(str(storage)))]


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A search whose driver was killed: the storage, what stood there then, the second run.

    And how far others saw it before it was killed, and after.
    """
    storage = tmp_path_factory.mktemp("search") / "runs"
    with open(storage.parent / "killed.log", "w") as log:
        driver = subprocess.Popen(command(storage), stdout=log, stderr=log)
        deadline = time.monotonic() + 240
        states = []
        while not ({"RUNNING"} < set(states) and len(states) >= 2):
            assert driver.poll() is None, (storage.parent / "killed.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.5)
            states = [state for state, _ in trials(storage)]
        seen = look(storage)
        while not any(bulletin.trials for _, bulletin in seen):
            assert time.monotonic() < deadline
            time.sleep(0.1)
            seen = look(storage)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    left, seen = trials(storage), (*seen, *look(storage))
    again = subprocess.run(command(storage), capture_output=True, text=True, check=False)
    assert again.returncode in (0, 1), again.stderr
    return storage, left, again, seen


def test_a_killed_search_ends_with_exactly_its_trials(search):
    storage, left, _, _ = search
    assert "RUNNING" in [state for state, _ in left]
    found = trials(storage)
    assert len(found) == TRIALS
    assert {state for state, _ in found} <= {"COMPLETE", "PRUNED", "FAIL"}
    for (before, drawn), (after, params) in zip(left, found, strict=False):
        assert before in (after, "RUNNING")
        assert drawn.items() <= params.items()  # the driver may have died between two of them
    points = [tuple(params.values()) for _, params in found]
    assert len(set(points)) == TRIALS


def test_others_see_how_far_it_is_and_that_its_driver_was_killed(search):
    storage, _, _, ((state, before), (state_after, after)) = search
    assert (state, state_after, after.driver) == ("running", "gone", before.driver)
    assert (before.total, {trial.kind for trial in before.trials}) == (TRIALS, {"point"})
    assert before.trials[0].name.startswith("fd-cmkd, accelerometer->gyroscope, trial ")
    assert look(storage) == []  # the second driver has cleared up


def test_the_report_has_the_budget_and_the_comparison_on_fresh_seeds(search):
    storage, _, again, _ = search
    assert "| fd-cmkd, default |" in again.stdout
    assert "| fd-cmkd, tuned " in again.stdout
    assert "seeds 100, 101" in again.stdout
    assert f"{TRIALS} of {TRIALS} trials" in again.stdout
    assert "never reads test" in again.stdout
    told = subprocess.run(
        [*command(storage), "--json"], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0  # nothing is left to train, so nothing can fail
    assert "running" not in told.stderr
    document = json.loads(told.stdout)
    (record,) = document["searches"]
    assert [trial["state"] for trial in record["trials"]] == [
        {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[state]
        for state, _ in trials(storage)
    ]
    rows = {row["row"]: row for row in document["tables"][0]["rows"]}
    assert {row["n"] for row in rows.values()} == {2}
    best = max(trial["values"][0] for trial in record["trials"] if trial["values"])
    chosen = next(t for t in record["trials"] if t["number"] == record["chosen"])
    assert chosen["values"] == [best]


def test_the_pictures_lie_beside_the_report_and_in_mlflow(search):
    import mlflow

    storage, _, _, _ = search
    (folder,) = {path.parent for path in storage.glob("reports/*/best-so-far.png")}
    assert {"slice-weight_low.svg", "contour.png"} <= {path.name for path in folder.iterdir()}
    client = mlflow.MlflowClient(f"sqlite:///{storage}/mlflow.db")
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    (tuning,) = [name for name in experiments if name.startswith("tuning-")]
    for name in (tuning, folder.name):
        parents = client.search_runs([experiments[name]], "tags.`fdsweep.kind` = 'sweep'")
        pictures = [
            f.path for run in parents for f in client.list_artifacts(run.info.run_id, "pictures")
        ]
        assert "pictures/best-so-far.png" in pictures
    runs = client.search_runs([experiments[tuning]], "tags.`fdsweep.kind` = 'trial'")
    told = {run.data.tags["fdsweep.trial"] for run in runs if run.data.params}
    assert told <= {str(number) for number in range(TRIALS)}
    assert all("test" not in metric for run in runs for metric in run.data.metrics)


def test_tuning_leaves_no_result_that_could_be_taken_for_one(search):
    """What stands in results/ are the fresh seeds of default and chosen, and nothing else."""
    storage, _, _, _ = search
    seeds = {path.stem.rpartition("-")[2] for path in storage.glob("results/*.parquet")}
    assert seeds == {"100", "101"}
    assert not list(storage.glob("ray/train/*"))
