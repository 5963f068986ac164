"""`fdsweep.open` from Python: what is stored as DataFrames, and a study run there."""

import subprocess
import sys
from pathlib import Path

import pytest

import fdsweep
from fdsweep.search_spaces.errors import ConfigError, StorageError

ROWS = [{"name": "w/o KD", "method": "none"}, {"name": "Feat", "method": "feat"}]
WATCH = Path(__file__).parents[2] / "docs" / "studies" / "watch"


@pytest.fixture(scope="module")
def watch():
    return fdsweep.open(WATCH).sweep()


def test_the_table_is_what_the_rows_give(watch):
    scores = watch.rows.groupby(["row", "teacher_modality"])["test_score"]
    table = watch.table.set_index(["row", "teacher_modality"])
    for place, line in table.iterrows():
        own = 100 * scores.get_group(place)
        assert (len(own), own.mean(), own.std()) == pytest.approx(
            (line.n, line["mean"], line["std"])
        )
    assert set(scores.groups) == set(table.index)


def test_rows_are_called_as_the_sweep_calls_them(watch):
    manifest = watch.data.manifest
    wanted = [(row.row, row.key) for row in manifest.rows for _ in manifest.seeds]
    assert list(zip(watch.rows["row"], watch.rows["key"], strict=True)) == wanted
    curves = watch.curves
    last = curves[(curves["split"] == "val") & (curves["epoch"] == 1)]
    assert last.groupby(["row", "teacher_modality", "seed"]).ngroups == len(watch.rows)


def test_seeds_can_be_left_out():
    some = fdsweep.open(WATCH).sweep("components", seeds=[0, 7])
    assert set(some.rows["seed"]) == set(some.curves["seed"]) == {0, 7}
    assert set(some.table["n"]) == {2}


def test_sweeps_are_listed_and_a_cell_shows_the_report(watch):
    (line,) = fdsweep.open(WATCH).sweeps.to_dict("records")
    assert (line["sweep"], line["done"], line["left"]) == (watch.name, len(watch.rows), 0)
    assert "| Feat " in watch._repr_markdown_()


def test_wrong_words_are_told(tmp_path):
    with pytest.raises(StorageError, match="no storage here"):
        _ = fdsweep.open(tmp_path / "none").sweeps
    with pytest.raises(ConfigError, match="components-watch"):
        fdsweep.open(WATCH).sweep("compnents-watch")
    with pytest.raises(ConfigError, match="epochs"):
        fdsweep.sweep("components", epoch=3)
    with pytest.raises(ConfigError, match="gpus"):
        fdsweep.open(tmp_path).run(fdsweep.sweep("components"), gpu=1)


def test_a_sweep_is_a_preset_a_file_or_a_sweep_with_changes(tmp_path):
    (tmp_path / "one.yaml").write_text("title: One\nrows: [{name: w/o KD, method: none}]\n")
    found = fdsweep.sweep(tmp_path / "one.yaml", seeds=3, epochs=2)
    assert (found.study, found.seeds, found.epochs) == ("one", (0, 1, 2), 2)
    assert fdsweep.sweep(found, seeds=[4, 2]).seeds == (4, 2)
    assert fdsweep.sweep("components").title == "Components of FD-CMKD"


def test_what_is_stored_is_read_without_torch():
    asked = "import fdsweep, sys; fdsweep.open(sys.argv[1]).sweep().table; print(*sys.modules)"
    command = [sys.executable, "-c", asked, str(WATCH)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "ray", "mlflow", "matplotlib"} & set(modules)


@pytest.mark.ray
def test_a_study_is_run_and_its_pictures_drawn(cluster, tmp_path):
    storage = fdsweep.open(tmp_path / "runs")
    wanted = fdsweep.sweep(
        "components", seeds=2, epochs=1, directions=["accelerometer->gyroscope"], rows=ROWS
    )
    found = storage.run(wanted, keep="none")
    assert (found.failures, found.unfinished) == ((), "")
    assert found.table["n"].tolist() == [2, 2]
    hits = found.predictions["label"] == found.predictions["prediction"]
    shares = hits.groupby([found.predictions["row"], found.predictions["seed"]]).mean()
    stored = found.rows.set_index(["row", "seed"])["test_score"].sort_index()
    assert shares.index.equals(stored.index)
    assert shares.to_numpy() == pytest.approx(stored.to_numpy())
    assert found.pictures()["forest"]._repr_svg_().startswith("<?xml")

    modified = [path.stat().st_mtime_ns for path in (tmp_path / "runs" / "results").iterdir()]
    storage.run(wanted, keep="none")
    assert [x.stat().st_mtime_ns for x in (tmp_path / "runs" / "results").iterdir()] == modified
