"""A sweep goes into an archive and comes out of it whole; nothing else does."""

import json
import zipfile
from pathlib import Path

import pytest

from fdsweep.orchestrator.upkeep import definition
from fdsweep.orchestrator.upkeep.export import export
from fdsweep.orchestrator.upkeep.imports import take_in
from fdsweep.results import plots
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records.store import Store
from fdsweep.results.report import load, report, to_text
from fdsweep.search_spaces.errors import ConfigError, DataError, StorageError
from fdsweep.search_spaces.sweep import Row, Sweep, load_sweep

ROOMS = Path(__file__).parents[3] / "docs" / "studies" / "rooms"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Of the committed sweep, without its pictures, which take long to draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "pictures", lambda data: {})
        folder = tmp_path_factory.mktemp("archive")
        return export(Store.open(str(ROOMS)), None, folder / "rooms.zip")


def test_an_archive_holds_what_a_supplement_needs(archive):
    with zipfile.ZipFile(archive.path) as opened:
        names = {name.removeprefix(f"{archive.sweep}/"): name for name in opened.namelist()}
        assert all(name.startswith(f"{archive.sweep}/") for name in names.values())
        for file in ("README.md", "report.md", "report.tex", "report.html"):
            assert file in names
        versions = json.loads(opened.read(names["versions.json"]))
        text = opened.read(names["report.md"]).decode()
    store = Store.open(str(ROOMS))
    assert text == to_text(report(store), "markdown")
    assert (versions["fdsweep"], versions["dataset"]) == (["0.1.0"], "rooms")
    assert versions["data_fingerprint"] == load(store).manifest.data_fingerprint
    assert archive.replicates == 112


def test_no_file_is_lost(archive):
    with pytest.raises(ConfigError, match="is there already"):
        export(Store.open(str(ROOMS)), None, archive.path)


@pytest.mark.slow
def test_the_same_sweep_gives_the_same_bytes_with_its_pictures(tmp_path):
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
    first, again = (
        export(Store.open(str(ROOMS)), "compare", tmp_path / name / "rooms.zip")
        for name in ("first", "again")
    )
    assert first.path.read_bytes() == again.path.read_bytes()
    with zipfile.ZipFile(first.path) as opened:
        assert f"{first.sweep}/pictures/forest.svg" in opened.namelist()
    store = Store.create(str(tmp_path / "runs"))
    take_in(first.path, store)
    assert to_text(report(store), "json") == to_text(report(Store.open(str(ROOMS))), "json")


def test_an_imported_sweep_has_the_same_rows(archive, tmp_path):
    store, ours = Store.create(str(tmp_path / "runs")), Store.open(str(ROOMS))
    found = take_in(archive.path, store)
    assert (found.sweep, found.new, found.known) == (archive.sweep, 112, 0)
    assert store.states() == ours.states()
    assert manifests.find(store) == manifests.find(ours)
    before = store.listing("results")
    assert take_in(archive.path, store).known == 112
    assert store.listing("results") == before


def test_a_sweep_without_a_replicate_is_not_exported(tmp_path):
    store = Store.create(str(tmp_path / "runs"))
    manifests.save(store, load(Store.open(str(ROOMS))).manifest)
    with pytest.raises(StorageError, match="has no finished replicate"):
        export(store, None, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_nothing_is_taken_from_an_archive_but_what_belongs_there(archive, tmp_path):
    mixed = tmp_path / "mixed.zip"
    mixed.write_bytes(archive.path.read_bytes())
    with zipfile.ZipFile(mixed, "a") as opened:
        for name in ("../evil", "x/storage/../../evil", "x/storage/optuna.db", "/evil"):
            opened.writestr(name, "x")
        opened.writestr(f"{archive.sweep}/storage/results/../../evil.parquet", "x")
    store = Store.create(str(tmp_path / "runs"))
    take_in(mixed, store)
    found = {path.name for path in tmp_path.rglob("*")}
    assert not found & {"evil", "evil.parquet", "optuna.db"}


def test_what_is_no_archive_is_refused(archive, tmp_path):
    store = Store.create(str(tmp_path / "runs"))
    whole = archive.path.read_bytes()
    with zipfile.ZipFile(archive.path) as opened:
        first = next(x for x in opened.infolist() if "/storage/results/" in x.filename)
        at = first.header_offset + 30 + len(first.filename)
    spoilt = whole[:at] + b"\xff" * first.compress_size + whole[at + first.compress_size :]
    for name, content, needle in (
        ("text.zip", b"text", "cannot be read"),
        ("spoilt.zip", spoilt, "cannot be read .*invalid block type"),
        ("half.zip", whole[:1000], "cannot be read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=needle):
            take_in(tmp_path / name, store)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as opened:
        opened.writestr("x", "x")
    with pytest.raises(DataError, match="holds 0 sweeps"):
        take_in(tmp_path / "empty.zip", store)


def test_what_was_asked_for_is_written_down_as_it_can_be_asked_again(tmp_path):
    store = Store.create(str(tmp_path / "runs"))
    manifest = load(Store.open(str(ROOMS))).manifest
    rows = (Row(name="w/o KD", method="none"), Row(name="FD", options={"weight_low": 1e2}))
    sweep = Sweep(study="mine", title="Mine: ä", rows=rows, dataset="rooms", seeds=(1,), lr=0.02)
    definition.keep(store, sweep, manifest)
    place = f"reports/{manifest.sweep}/study.yaml"
    again = load_sweep(store.local(place))
    directions = ("rgb->depth", "depth->rgb")
    assert {*again.directions} == {*directions}
    assert again == sweep.model_copy(
        update={"seeds": manifest.seeds, "directions": again.directions}
    )
    stamp = store.stamp(place)
    definition.keep(store, sweep, manifest)
    assert store.stamp(place) == stamp
