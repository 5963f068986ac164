"""When MLflow's database counts as broken, and what becomes of it. MLflow itself is not needed."""

import contextlib
import re
import sqlite3
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fdsweep.orchestrator.tracking import database
from fdsweep.orchestrator.tracking.database import NEEDED, identities, is_broken, on_own_disk
from fdsweep.search_spaces.storage import Storage


@pytest.fixture
def path(tmp_path):
    """A file with the tables that a database of MLflow's has."""
    made = tmp_path / "mlflow.db"
    write(made, *(f"CREATE TABLE {name} (x)" for name in sorted(NEEDED)))
    write(made, "INSERT INTO alembic_version VALUES ('1')")
    return made


def write(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as opened, opened:
        for statement in statements:
            opened.execute(statement)


def test_a_database_that_does_not_tell_holds_nothing_known(path):
    assert identities(path.with_name("none.db"), "sweep", "FINISHED") == set()
    assert identities(path, "sweep", "FINISHED") == set()  # tables without their columns
    path.write_bytes(b"garbage")
    assert identities(path, "sweep", "FINISHED") == set()


@pytest.mark.parametrize("thorough", [False, True])
def test_a_whole_database_is_not_broken_nor_one_that_is_not_there(path, thorough):
    assert not is_broken(path, thorough=thorough)
    assert not is_broken(path.with_name("none.db"), thorough=thorough)
    path.write_bytes(b"")  # what SQLite makes a database of
    assert not is_broken(path, thorough=thorough)


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE _alembic_tmp_runs (x)", "DROP TABLE runs", "DELETE FROM alembic_version"],
)
def test_one_whose_migration_was_cut_off_is_broken(path, statement):
    write(path, statement)
    assert is_broken(path)


def test_garbage_is_broken_and_so_are_torn_pages(path):
    write(path, "CREATE TABLE long (x)", "INSERT INTO long VALUES (zeroblob(99999))")
    content = path.read_bytes()
    path.write_bytes(b"garbage" * 999)
    assert is_broken(path)
    path.write_bytes(content[: len(content) // 2])
    assert is_broken(path, thorough=True)


def test_one_that_is_locked_or_cannot_be_written_is_not_broken(path, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kw: connect(*args, timeout=0, **kw))
    with contextlib.closing(connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert not is_broken(path)
    path.chmod(0o400)
    assert not is_broken(path)


def test_all_files_of_a_database_are_moved_aside(path, tmp_path):
    aside = tmp_path / database.DAMAGED
    (tmp_path / f"{database.DAMAGED}-shm").touch()  # of an earlier one
    (tmp_path / "mlflow.db-wal").write_text("log")
    database._move_aside(path, aside)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        *("mlflow.db.damaged", "mlflow.db.damaged-wal")
    ]


def parts(path):
    """What the database is made of, but for when, and for the order, which MLflow leaves open."""
    with contextlib.closing(sqlite3.connect(path)) as opened:
        opened.execute("UPDATE experiments SET creation_time = 0, last_update_time = 0")
        text = "\n".join(opened.iterdump()).replace(str(path.parent), "")
    return sorted(part.strip() for part in re.split(r"[,\n]", text))


@pytest.mark.slow
def test_a_database_from_the_cache_is_what_mlflow_makes_for_that_storage(tmp_path, monkeypatch):
    """A damaged one in the cache is made again; where there can be none, MLflow makes each."""
    monkeypatch.setenv("FDSWEEP_CACHE_DIR", str(tmp_path / "cache"))
    places = [
        Storage(str(tmp_path / name)) for name in ("made", "copied", "torn", "empty", "alone")
    ]
    made, copied, *others = (Path(place.local("mlflow.db")) for place in places)
    for place in places:
        Path(place.root).mkdir()
    before = time.time() - 1
    database.make_ready(places[0])
    (kept,) = (tmp_path / "cache").iterdir()
    inode = kept.stat().st_ino
    database.make_ready(places[1])
    assert kept.stat().st_ino == inode
    with contextlib.closing(sqlite3.connect(copied)) as opened:
        (begun,) = opened.execute("SELECT creation_time FROM experiments").fetchone()
    assert before < begun / 1000 < time.time() + 1

    for place, damaged in ((places[2], kept.read_bytes()[:50_000]), (places[3], b"")):
        kept.write_bytes(damaged)
        database.make_ready(place)
        assert kept.stat().st_size > 100_000
        assert not is_broken(kept, thorough=True)
    monkeypatch.setenv("FDSWEEP_CACHE_DIR", str(kept))
    database.make_ready(places[4])
    assert parts(made) == parts(copied)
    assert all(parts(made) == parts(path) for path in others)
    assert not list(tmp_path.rglob(".*"))
    assert MlflowClient(f"sqlite:///{copied}").get_experiment("0").artifact_location == (
        f"{(tmp_path / 'copied' / 'mlartifacts').as_uri()}/0"
    )


def test_where_a_folder_lies_is_known_by_its_mount(tmp_path):
    with open("/proc/self/mountinfo") as mounts:
        places = {line.split()[4]: line.partition(" - ")[2].split()[0] for line in mounts}
    assert on_own_disk(tmp_path) in (True, False)
    proc = places.get("/proc")
    if proc:
        assert not on_own_disk(database.Path("/proc/self"))
