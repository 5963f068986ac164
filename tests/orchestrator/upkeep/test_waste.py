"""What no sweep names is found and deleted, and nothing else."""

import itertools
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fdsweep.orchestrator.bulletins.board import Board
from fdsweep.orchestrator.bulletins.record import SCHEMA
from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.upkeep import waste
from fdsweep.results.records.store import Store
from fdsweep.results.report import load
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError

ROOMS = Path(__file__).parents[3] / "docs" / "studies" / "rooms"
OTHER = "0123456789abcdef0123"


@pytest.fixture
def store(tmp_path):
    """A storage with one sweep, and of each kind something that it names and something else."""
    shutil.copytree(ROOMS, tmp_path / "runs")
    store = Store.open(str(tmp_path / "runs"))
    row = load(store).manifest.rows[1]
    (teacher,) = row.teacher_keys
    sweep = load(store).manifest.sweep
    for key in (row.key, OTHER):
        store.write(f"students/{key}/0.safetensors", b"s")
        store.write(f"ray/train/student-{key}-0-abcdef/checkpoint_1/state.pt", b"c")
    for key in (teacher, OTHER):
        store.write(layout.teacher_weights(key, 0), b"t")
    for folder in ("results", "curves", "predictions"):
        store.write(f"{folder}/{OTHER}-0.parquet", b"r")
    for name, of in (("a", sweep), ("b", "gone")):
        store.write_text(layout.outline(name), json.dumps({"manifest": {"sweep": of}}))
        store.write_text(layout.computed(of, name), "")
    store.write("checkpoints/fedcba9876543210.safetensors", b"w")
    store.write("ray/tune-abcdef123456/state.json", b"{}")
    store.write("damaged/results/x.parquet.damaged", b"d")
    store.write("optuna.db", b"o")
    store.write("data/mine/manifest.json", b"{}")
    return store


FOLDERS = ("curves", "predictions", "results")
EXPECTED = {
    "replicates": [f"{folder}/{OTHER}-0.parquet" for folder in FOLDERS],
    "teachers": [f"teachers/{OTHER}/0.safetensors"],
    "students": [f"students/{OTHER}/0.safetensors"],
    "interrupted": [
        f"ray/train/student-{OTHER}-0-abcdef/checkpoint_1/state.pt",
        "ray/tune-abcdef123456/state.json",
    ],
    "checkpoints": ["checkpoints/fedcba9876543210.safetensors"],
    "cache": ["cache/outlines/b.json", "cache/tables/gone/b.json"],
    "damaged": ["damaged/results/x.parquet.damaged"],
}


def everything(store):
    return {place for place in store.listing("") if not place.startswith("cache/whole")}


def test_what_no_sweep_names_is_deleted_and_nothing_else(store):
    store.delete_file(f"results/{OTHER}-0.parquet")  # no row, or it is set aside where it is read
    expected = {
        kind: [place for place in places if place != f"results/{OTHER}-0.parquet"]
        for kind, places in EXPECTED.items()
    }
    before, states = everything(store), store.states()
    found = waste.find(store)
    assert {kind: sorted(files) for kind, files in found.kinds.items()} == expected
    places = {*itertools.chain(*expected.values())}
    assert (found.count, found.size) == (len(places), sum(map(store.size, places)))
    board = Board(store, "other-watch", "Other")
    store.write_text(board.place, board.blank.to_text(SCHEMA))
    with pytest.raises(StorageError, match="a driver is at work here"):
        waste.delete(store, found)
    store.delete_file(board.place)
    waste.delete(store, found)
    assert everything(store) == before - places
    assert waste.find(store).kinds == {}
    assert store.states() == states
    assert not store.exists(f"students/{OTHER}")


def test_of_a_sweep_that_is_gone_all_is_waste(store):
    store.delete_folder(f"reports/{load(store).manifest.sweep}")
    rows = len(store.files("results")) - 1
    found = waste.find(store).kinds
    assert sum(place.startswith("results/") for place in found["replicates"]) >= rows
    assert store.exists("optuna.db")


def test_the_command_asks_or_is_told(store):
    def gc(*words):
        return CliRunner().invoke(app, ["gc", "--storage", store.root, *words])

    told = gc("--dry-run", "--json")
    assert json.loads(told.stdout)["deleted"] is False
    assert "In all: " in waste.to_text(waste.find(store), deleted=False)
    refused = gc()
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "Give --yes, or --dry-run" in refused.stderr
    assert "Deleted: " in gc("--yes").stdout
