"""Whole studies through real Ray Tune trials and real TorchTrainer workers."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.tracking.database import identities
from fdsweep.results.records.schema import REPLICATES
from fdsweep.search_spaces import layout
from fdsweep.trainers.datasets.watch import Watch, find_file, read_recordings

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

BROKEN = """
title: One row cannot work
seeds: [0, 1]
epochs: 1
directions: [accelerometer->gyroscope]
rows:
  - {name: fine, method: none}
  - {name: explodes, method: feat, options: {weight: 1.0e+30}, teacher: random}
"""


def run(storage, path, *words):
    return CliRunner().invoke(app, ["run", str(path), "--storage", str(storage), *words])


@pytest.fixture(scope="module")
def study(cluster, tmp_path_factory):
    """A finished study: its folder, its file and what it printed."""
    folder = tmp_path_factory.mktemp("study")
    path = folder / "two-rows.yaml"
    path.write_text(STUDY)
    result = run(folder / "runs", path)
    assert result.exit_code == 0, result.stderr
    return folder, path, result


def test_the_table_is_on_stdout_and_the_progress_on_stderr(study):
    _, _, result = study
    assert "| Feat " in result.stdout
    assert "| FD " in result.stdout
    assert "Exploratory" in result.stdout
    assert "6 done · 0 failed" in result.stderr  # two teachers and four students
    assert "done ·" not in result.stdout


def test_results_are_one_row_per_key_and_seed(study):
    folder, _, _ = study
    rows = pd.read_parquet(folder / "runs" / "results")
    assert list(rows.columns) == REPLICATES.names
    assert len(rows) == 4
    assert not rows.duplicated(["key", "seed"]).any()
    assert set(rows["status"]) == {"done"}
    assert rows["test_score"].between(0.2, 1).all()  # chance is 1/7
    assert (rows["teacher_keys"].str.len() == 1).all()
    assert set(rows["metric"]) == {"accuracy"}
    assert json.loads(rows["environment"][0])["torch"]
    assert json.loads(rows["config"][0])["teacher"]["modality"] == "accelerometer"

    curves = pd.read_parquet(folder / "runs" / "curves")
    val = curves[(curves["split"] == "val") & (curves["metric"] == "accuracy")]
    assert (val.groupby(["key", "seed"]).size() == 2).all()

    predictions = pd.read_parquet(folder / "runs" / "predictions")
    hits = predictions["label"] == predictions["prediction"]
    counted = hits.groupby([predictions["key"], predictions["seed"]]).mean()
    stored = rows.set_index(["key", "seed"])["test_score"]
    pd.testing.assert_series_equal(
        counted.sort_index(), stored.sort_index(), check_names=False, rtol=1e-6
    )


def test_what_was_asked_for_is_kept_and_asks_for_the_same(study):
    folder, _, before = study
    (kept,) = (folder / "runs" / "reports").glob("*/study.yaml")
    assert run(folder / "runs", kept).stdout == before.stdout
    found = CliRunner().invoke(app, ["gc", "--dry-run", "--storage", str(folder / "runs")])
    assert found.stdout == "Every file here is named by a sweep.\n"


ALONE = """
import json, sys
from fdsweep.trainers.students import load
student = load(sys.argv[1])
found = student.predict(sys.argv[2:])
print(json.dumps([[one.name, one.label] for one in found]))
assert "ray" not in sys.modules and "mlflow" not in sys.modules
"""


def test_an_exported_student_predicts_in_a_fresh_process_what_is_stored(study, tmp_path):
    folder, path, _ = study
    storage = ("--storage", str(folder / "runs"))
    models = json.loads(CliRunner().invoke(app, ["models", *storage, "--json"]).stdout)["models"]
    rows = pd.read_parquet(folder / "runs" / "results")
    best = rows.sort_values(["val_score", "seed"], ascending=[False, True]).groupby("row").first()
    assert {(*one["rows"], one["seed"]) for one in models} == {*best["seed"].items()}

    exported = tmp_path / "student"
    made = CliRunner().invoke(app, ["export-model", "FD", str(exported), *storage, "--json"])
    told = json.loads(made.stdout)
    assert told["files"] == ["README.md", "config.json", "model.safetensors"]
    assert told["mean_test_score"] == pytest.approx(rows[rows["row"] == "FD"]["test_score"].mean())
    assert "BSD 3-Clause" in (exported / "README.md").read_text()

    stored = pd.read_parquet(folder / "runs" / "predictions")
    own = stored[(stored["key"] + "-" + stored["seed"].astype(str)) == told["model"]]
    recordings = read_recordings(find_file())["X"]
    asked = sorted({sample_id.split("-")[0] for sample_id in own["sample_id"]})
    files = [str(tmp_path / f"{number}.npy") for number in asked]
    for number, file in zip(asked, files, strict=True):
        np.save(file, recordings[int(number)])
    words = [sys.executable, "-c", ALONE, str(exported), *files]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    labels = [label for _, label in json.loads(done.stdout)]
    assert labels == [Watch.info.classes[number] for number in own["prediction"]]

    shutil.rmtree(folder / "runs" / "students")
    assert "4 done, 0 left" in run(folder / "runs", path, "--dry-run").stdout


def test_mlflow_shows_the_sweep_its_replicates_and_their_curves(study):
    import mlflow

    folder, _, _ = study
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'runs' / 'mlflow.db'}")
    experiments = [e for e in client.search_experiments() if e.name.startswith("two-rows-watch")]
    assert len(experiments) == 1
    runs = client.search_runs([experiments[0].experiment_id])
    parents = [run for run in runs if run.data.tags["fdsweep.kind"] == "sweep"]
    children = [run for run in runs if run.data.tags["fdsweep.kind"] == "two-rows"]
    teachers = [run for run in runs if run.data.tags["fdsweep.kind"] == "teacher"]
    assert (len(parents), len(children), len(teachers)) == (1, 4, 2)
    parent = parents[0].info.run_id
    assert {run.data.tags["mlflow.parentRunId"] for run in children + teachers} == {parent}
    assert {run.info.status for run in runs} == {"FINISHED"}
    fd = next(run for run in children if run.data.params["row"] == "FD")
    assert fd.info.run_name == f"FD, accelerometer->gyroscope, seed {fd.data.params['seed']}"
    assert fd.data.params["options.cutoff"] == "0.5"
    history = client.get_metric_history(fd.info.run_id, "val_accuracy")
    assert [point.step for point in history] == [0, 1]
    assert "report.md" in [file.path for file in client.list_artifacts(parent)]
    assert parents[0].data.metrics == {}
    summaries = {r.info.run_name: r for r in runs if r.data.tags["fdsweep.kind"] == "summary"}
    assert set(summaries) == {f"{row}, accelerometer->gyroscope" for row in ("Feat", "FD")}
    base, line = (summaries[f"{row}, accelerometer->gyroscope"] for row in ("Feat", "FD"))
    assert line.data.metrics["delta"] == pytest.approx(
        line.data.metrics["mean"] - base.data.metrics["mean"]
    )
    assert line.data.metrics["n"] == 2
    assert line.data.tags["fdsweep.verdict"] == "inconclusive"


def test_what_the_networks_cost_is_measured_once(study):
    """Both rows have the same student."""
    folder, _, result = study
    assert "What a prediction costs" in result.stdout
    (file,) = (folder / "runs/reports").glob("*/costs.json")
    stored = json.loads(file.read_text())
    networks = {key: cost["modality"] for key, cost in stored["networks"].items()}
    assert sorted(networks.values()) == ["accelerometer", "gyroscope"]
    assert [networks[key] for key in stored["students"].values()] == ["gyroscope"] * 2


def test_run_again_trains_nothing_and_prints_the_same(study, monkeypatch):
    folder, path, first = study
    monkeypatch.setattr(
        "fdsweep.orchestrator.studies.study.connect", lambda request: pytest.fail("needs Ray")
    )
    again = run(folder / "runs", path)
    assert (again.exit_code, again.stdout) == (0, first.stdout)


AGAIN = """
import sys
from fdsweep.orchestrator.cli import app
try:
    app(sys.argv[1:])
finally:
    print({"torch", "mlflow", "ray", "matplotlib"} & set(sys.modules), file=sys.stderr)
"""


def test_run_again_does_without_torch_mlflow_and_ray(study):
    folder, path, first = study
    words = ["run", str(path), "--storage", str(folder / "runs")]
    again = subprocess.run(
        [sys.executable, "-c", AGAIN, *words], capture_output=True, text=True, check=True
    )
    assert again.stdout == first.stdout
    assert again.stderr == "set()\n"


def test_the_database_tells_without_mlflow_what_is_written(study):
    folder, _, _ = study
    (sweep,) = (folder / "runs" / "reports").iterdir()
    found = identities(folder / "runs" / layout.MLFLOW_DATABASE, sweep.name, "FINISHED")
    rows = pd.read_parquet(folder / "runs" / "results")
    teachers = {(key, str(seed)) for (key,) in rows["teacher_keys"] for seed in (0, 1)}
    assert found == {*zip(rows["key"], rows["seed"].map(str), strict=True), *teachers}


@pytest.mark.slow
def test_a_spent_budget_ends_a_study_with_its_table_and_what_is_left(cluster, tmp_path):
    path = tmp_path / "two-rows.yaml"
    path.write_text(STUDY)
    first = run(tmp_path / "runs", path, "--budget-hours", "0.0001", "--seeds-per-trial", "1")
    assert first.exit_code == 0, first.stderr
    assert "of 0.0001 device hours are used; replicates left: " in first.stderr
    assert "To go on, type: fdsweep" in first.stderr
    assert "no data yet" in first.stdout
    left = int(first.stderr.rpartition("replicates left: ")[2].split(".")[0])
    plan = json.loads(run(tmp_path / "runs", path, "--dry-run", "--json").stdout)
    assert sum(len(trial["seeds"]) for trial in plan["trials"]) == left > 0


def test_report_and_status_read_what_is_stored(study):
    folder, _, first = study
    storage = ["--storage", str(folder / "runs")]
    report = CliRunner().invoke(app, ["report", "two-rows", *storage])
    assert report.stdout == first.stdout
    document = json.loads(CliRunner().invoke(app, ["report", "--json", *storage]).stdout)
    rows = document["tables"][0]["rows"]
    assert [(row["row"], row["n"]) for row in rows] == [("Feat", 2), ("FD", 2)]
    assert rows[1]["delta"] == pytest.approx(rows[1]["mean"] - rows[0]["mean"])
    status = json.loads(CliRunner().invoke(app, ["status", "--json", *storage]).stdout)
    assert [(s["done"], s["failed"], s["left"]) for s in status["sweeps"]] == [(4, 0, 0)]


def test_nothing_of_ray_is_left_in_the_storage_nor_a_bulletin(study):
    folder, _, _ = study
    assert not list((folder / "runs" / "ray" / "train").glob("*"))
    assert not list((folder / "runs" / "progress").iterdir())


def test_a_failing_replicate_costs_no_other_its_result(cluster, tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    result = run(tmp_path / "runs", path, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    by_row = {row["row"]: row for row in document["tables"][0]["rows"]}
    assert (by_row["fine"]["n"], by_row["fine"]["failed"]) == (2, 0)
    assert (by_row["explodes"]["n"], by_row["explodes"]["failed"]) == (0, 2)
    assert [failure["seed"] for failure in document["failures"]] == [0, 1]
    assert "no longer finite" in document["failures"][0]["error"]
    assert "Traceback" in Path(document["failures"][0]["log"]).read_text()
    assert "failed: explodes, accelerometer->gyroscope, seed 0" in result.stderr
    assert "Traceback" not in result.stderr
    rows = pd.read_parquet(tmp_path / "runs" / "results")
    assert sorted(rows["status"]) == ["done", "done", "failed", "failed"]


def test_methods_that_move_the_teacher_and_compositions_are_compared(cluster, tmp_path):
    command = "compare --methods c2kd,kd+unpaired --pairing same-class --seeds 1 --epochs 1 --json"
    direction = ["--direction", "accelerometer->gyroscope"]
    storage = ["--storage", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, [*command.split(), *direction, *storage])
    assert result.exit_code == 0, result.stderr
    (table,) = json.loads(result.stdout)["tables"]
    assert table["title"] == "Methods compared, same-class, watch"
    assert [(row["row"], row["group"], row["pairing"], row["n"]) for row in table["rows"]] == [
        ("none", "Uni", None, 1),
        ("c2kd", "Cross", "same-class", 1),
        ("kd+unpaired", "Combined", "same-class", 1),
    ]
    curves = pd.read_parquet(tmp_path / "runs" / "curves")
    terms = set(curves[curves["split"] == "train"]["metric"])
    assert {"loss_teacher_task", "loss_kd.kd", "loss_unpaired.fa", "loss_unpaired.la"} <= terms


def test_a_working_folder_may_hold_packages_of_our_rooms_names(tmp_path):
    """Ray puts the driver's folder in front of its workers' path: ours must not be taken there."""
    for room in ("trainers", "results", "orchestrator", "search_spaces"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("raise RuntimeError")
    (tmp_path / "one.yaml").write_text(
        "seeds: [0]\nepochs: 1\ndirections: [accelerometer->gyroscope]\n"
        "rows: [{name: one, method: none}]\n"
    )
    program = str(Path(sys.executable).with_name("fdsweep"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_A")}
    done = subprocess.run(
        [program, "run", "one.yaml", "--storage", "runs", "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["tables"][0]["rows"]
    assert (row["n"], row["failed"]) == (1, 0)
