"""Every data set of the papers: a miniature in its true format, prepared and studied.

Each is prepared through Ray. That Ray's workers train on what was prepared, one data set of clips,
one of pixels and a table of one's own show; the others train in this process.
"""

import importlib
import json

import pytest
from chaos import calm
from miniature import own_table
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.search_spaces.fields import parse_variant

pytestmark = pytest.mark.ray

DAMAGED = 2
SETS = {
    "crema-d": "audio->visual",
    "ravdess": "visual->audio",
    "ave": "audio->visual",
    "vggsound": "audio->visual",
    "crisismmd": "visual->text",
    "vggsound@c2kd": "visual->audio",
}
SEGMENTED = {"nyu-depth-v2": "build", "nyu-depth-v2@hha": "build_hha"}
"""Whose pixels have classes, and what writes their miniatures."""
NOT_STUDIED = {"ave@c2kd", "crisismmd@c2kd"}
"""Of no other kind than their data sets; and BERT-base does not train here in a test's time."""


def one_row(folder, **small):
    """A sweep of one row with an untrained teacher, and with `small` backbones of modalities, so
    that the tests stay within their time."""
    path = folder / "one-row.yaml"
    rows = [{"name": "FD-CMKD", "teacher": "random"}]
    path.write_text(json.dumps({"title": "One row", "rows": rows, "backbones": small}))
    return path


@pytest.fixture
def trains_here(monkeypatch):
    """Studies train in this process; what is prepared is prepared through Ray."""
    calm.here(monkeypatch.setattr)


def module(name):
    """The miniature of the data set `name`."""
    return importlib.import_module(f"miniature.{name.replace('-', '_')}")


def fdsweep(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def prepared(base, raw, variant, storage):
    """The manifest of the miniature in `raw`, which is refused for its damaged files at first."""
    prepare = ["prepare", base, raw, "--variant", variant, *storage]
    refused = fdsweep(*prepare, "--json")
    assert refused.exit_code == 2, refused.output
    assert "samples are damaged, more than 1 %" in refused.stderr
    made = fdsweep(*prepare, "--allow-skips", DAMAGED, "--json")
    assert made.exit_code == 0, made.output
    manifest = json.loads(made.stdout)
    assert len(manifest["damaged"]) == DAMAGED
    return manifest


def draw(name, sheet, storage):
    """The contact sheet of what was prepared, with something on it."""
    assert fdsweep("datasets", "show", name, "--out", sheet, *storage).exit_code == 0
    assert sheet.stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_from_the_raw_tree_to_a_table(cluster, tmp_path, name, request):
    small = {}
    if name != "crema-d":
        request.getfixturevalue("trains_here")
        small = {end: "cnn2d" for end in SETS[name].split("->") if end != "text"}
    raw, storage = tmp_path / "raw", ["--storage", tmp_path / "runs"]
    raw.mkdir()
    base, variant = parse_variant(name)
    module(base).build(raw)
    manifest = prepared(base, raw, variant, storage)
    assert (manifest["name"], manifest["variant"]) == (name, variant)
    assert manifest["payloads"]["visual"] == {"kind": "frames", "shape": [360]}
    assert manifest["missing"]
    counts = {split: sum(classes.values()) for split, classes in manifest["counts"].items()}
    assert min(counts.values()) >= 2
    assert sum(counts.values()) >= 36

    assert f"{counts['train']:,} train" in fdsweep("datasets", *storage).stdout
    draw(name, tmp_path / "sheet.png", storage)

    what = ["--dataset", name, "--seeds", 1, "--epochs", 1, "--direction", SETS[name]]
    study = fdsweep("run", one_row(tmp_path, **small), *what, *storage)
    assert study.exit_code == 0, study.output
    assert study.stdout.count("|   1 |") == 1
    assert manifest["fingerprint"] in study.stdout
    left_out = len(manifest["missing"]) + DAMAGED
    assert f"{left_out} listed samples were missing or damaged" in study.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", SEGMENTED)
def test_from_the_raw_tree_to_table_3(cluster, tmp_path, name):
    """One row of it; that all can be trained, test_rooms.py shows."""
    raw, storage = tmp_path / "raw", ["--storage", tmp_path / "runs"]
    raw.mkdir()
    base, variant = parse_variant(name)
    getattr(module(base), SEGMENTED[name])(raw)
    manifest = prepared(base, raw, variant, storage)
    assert len(manifest["missing"]) == 1
    draw(name, tmp_path / "sheet.png", storage)
    if variant != "own":
        return

    what = ["--dataset", name, "--seeds", 1, "--epochs", 1, "--direction", "rgb->depth"]
    study = fdsweep("compare", "--methods", "cirkd-v2+fd-cmkd", *what, *storage)
    assert study.exit_code == 0, study.output
    rows = [line for line in study.stdout.splitlines() if "|   1 |" in line]
    assert ["| cirkd-v2+fd-cmkd " in row for row in rows] == [False, True]  # below none
    assert manifest["fingerprint"] in study.stdout


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["label", "labels"])
def test_from_a_table_to_a_report(cluster, tmp_path, labels, request):
    several = labels == "labels"
    if several:
        request.getfixturevalue("trains_here")
    (own_table.build_with_sets if several else own_table.build)(tmp_path)
    (tmp_path / "steps.yaml").unlink()
    storage, described = ["--storage", tmp_path / "runs"], tmp_path / "steps.yaml"
    made = fdsweep("init", "data", tmp_path / "table.csv", "--out", described)
    assert made.exit_code == 0, made.output
    done = fdsweep("prepare", described, *storage, "--json")
    assert done.exit_code == 0, done.output
    manifest = json.loads(done.stdout)
    assert sum(sum(one.values()) for one in manifest["counts"].values()) == 24
    assert "nothing to do" in fdsweep("prepare", described, *storage).stderr
    wrong = fdsweep("prepare", "steps", tmp_path, *storage)
    assert (wrong.exit_code, "Type: fdsweep prepare steps.yaml" in wrong.stderr) == (2, True)
    described.unlink()
    draw("steps", tmp_path / "sheet.png", storage)
    what = ["--dataset", "steps", "--seeds", 1, "--epochs", 1, "--direction", "note->motion"]
    study = fdsweep("run", one_row(tmp_path), *what, *storage)
    assert study.exit_code == 0, study.output
    assert study.stdout.count("|   1 |") == 1
    assert ("mAP" if several else "Top-1") in study.stdout
    assert manifest["fingerprint"] in study.stdout
    exported = fdsweep("export-model", "FD-CMKD", tmp_path / "student", *storage)
    assert exported.exit_code == 0, exported.output
    assert "described in steps.yaml" in (tmp_path / "student" / "README.md").read_text()
    guessed = fdsweep("predict", tmp_path / "student", tmp_path / "3.npy", "--json")
    assert guessed.exit_code == 0, guessed.output
    sets = ("(none)", "late", "late;walk", "walk")
    label = json.loads(guessed.stdout)["predictions"][0]["label"]
    assert label in (sets if several else ("rest", "walk"))


def test_the_miniatures_cover_every_prepared_data_set():
    from fdsweep.trainers import datasets
    from fdsweep.trainers.datasets.prepared import Prepared

    prepared = {name for name in datasets.names() if isinstance(datasets.find(name), Prepared)}
    assert {*SETS, *SEGMENTED, *NOT_STUDIED} == prepared
    assert all(module(parse_variant(name)[0]).build for name in SETS)
