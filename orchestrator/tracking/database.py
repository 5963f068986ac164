"""MLflow's database: made in one step under a lock, a broken one moved aside.

MLflow migrates a new file table by table, and two processes that do so at once break it for good.
So it is made under a hidden name by whoever holds the lock, and then moved. Its journal is a
write-ahead log where the disk is this machine's own: there readers and a writer do not wait for
each other; on a network file system such a log is not safe.
"""

import contextlib
import hashlib
import logging
import os
import sqlite3
import uuid
from pathlib import Path

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage, cache

CACHED = "mlflow"
"""The folder of a node's cache with a folder for each remote storage; no copies, so it stays."""

LOCK_S = 60.0
"""How long a writer waits for another one; each holds the lock for a run at a time."""

OWN_DISKS = {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"}
"""Types of file systems that one machine alone has open."""

BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
NEEDED = {"alembic_version", "experiments", "runs", "metrics", "params", "tags"}
HALF_MIGRATED = "_alembic_tmp_"
"""A table of such a name is what a migration works on: after one that was cut off it stays."""

BESIDE = ("", "-wal", "-shm", "-journal")
"""The database's files: SQLite's own stand beside it while it is open, or was not closed."""


DAMAGED = f"{layout.MLFLOW_DATABASE}.damaged"
"""Where a broken database is moved, beside it."""

WAS_BROKEN = f"{layout.MLFLOW_DATABASE} was broken: it is {DAMAGED} now, a new one is made"


IDENTITIES = """
    SELECT keys.value, COALESCE(seeds.value, '') FROM experiments
    JOIN runs ON runs.experiment_id = experiments.experiment_id
    JOIN tags AS keys ON keys.run_uuid = runs.run_uuid AND keys.key = 'fdsweep.key'
    LEFT JOIN tags AS seeds ON seeds.run_uuid = runs.run_uuid AND seeds.key = 'fdsweep.seed'
    WHERE experiments.name = ? AND experiments.lifecycle_stage = 'active'
    AND runs.status = ? AND runs.lifecycle_stage = 'active'
"""

MOVED = """
    UPDATE experiments SET artifact_location = ? || '/' || experiment_id,
    creation_time = strftime('%s') * 1000, last_update_time = strftime('%s') * 1000
"""

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # results alone stand there
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # in seconds; with MLflow's own settings a server that
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # is away would be waited for for many minutes
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def home(storage: Storage) -> Storage:
    """Where the database of `storage` lies: in a local one itself, else in this node's cache."""
    if storage.is_local:
        return storage
    name = hashlib.sha256(storage.uri("").encode()).hexdigest()[: cache.NAME_LENGTH]
    return Storage(str(cache.Cache.here().folder / CACHED / name))


def settle() -> None:
    """Bring MLflow into this process: quiet, and impatient unless the environment says more."""
    for setting, value in SETTINGS.items():
        os.environ.setdefault(setting, value)
    import mlflow

    del mlflow  # it sets its own levels when it is imported
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what is raised is said in a sentence


def locked(storage: Storage) -> contextlib.AbstractContextManager[None]:
    """Keep other processes on this storage from writing to MLflow; a remote one has no lock."""
    return storage.locked(layout.lock("mlflow"), LOCK_S)


def make_ready(place: Storage, *, thorough: bool = False) -> bool:
    """See to it that a `home` holds a database that can be used; True if one was moved aside.

    `thorough` reads all of it, which takes a second for some hundred MB. One that is locked, full
    or not to be written is not broken: it stays.
    """
    path = place.local(layout.MLFLOW_DATABASE)
    with locked(place):
        broken = is_broken(path, thorough=thorough)
        if broken:
            _let_go(path)
            _move_aside(path, place.local(DAMAGED))
        if not path.exists() or not path.stat().st_size:
            _create(path, place.local(layout.MLFLOW_ARTIFACTS))
    return broken


def is_broken(path: Path, *, thorough: bool = False) -> bool:
    """Whether `path` is there and no database of MLflow's, or one whose making was cut off."""
    if not path.exists() or not path.stat().st_size:
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as found:
            if thorough and found.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return True
            tables = {name for (name,) in found.execute("SELECT name FROM sqlite_master")}
            if not tables >= NEEDED or any(name.startswith(HALF_MIGRATED) for name in tables):
                return True
            return found.execute("SELECT * FROM alembic_version").fetchone() is None
    except sqlite3.Error as error:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in BROKEN


def identities(path: Path, experiment: str, status: str) -> set[tuple[str, str]]:
    """Key and seed (of a trial "") of the runs of an experiment with a status, without MLflow.

    Empty where the database does not tell.
    """
    if not path.exists():
        return set()
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as found:
            return set(found.execute(IDENTITIES, [experiment, status]))
    except sqlite3.Error:
        return set()


def on_own_disk(folder: Path) -> bool:
    """Whether `folder` lies on a file system that one machine alone has open; False if unknown."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    found, kind = Path(), ""
    for line in lines:
        place, _, rest = line.partition(" - ")
        point = Path(place.split()[4].encode().decode("unicode_escape"))
        if folder.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, rest.split()[0]
    return kind in OWN_DISKS


def _create(path: Path, artifacts: Path) -> None:
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink()  # of a process that was killed in here: nobody else can be
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    _fill(temporary, artifacts)
    if on_own_disk(path.parent):
        with contextlib.closing(sqlite3.connect(temporary)) as made:
            made.execute("PRAGMA journal_mode=WAL")
    os.replace(temporary, path)


def _fill(path: Path, artifacts: Path) -> None:
    """Make MLflow's tables at `path`, which is not there yet, for files of runs at `artifacts`.

    MLflow takes a second and more, since a new database has gone through all that ever changed.
    So one without any run is kept in the user's cache, for each version of MLflow, and copied.
    """
    settle()
    import mlflow

    here, kept = Storage(str(cache.Cache.here().folder)), f"mlflow-{mlflow.__version__}.db"
    if _is_copied(here, kept, path, artifacts):
        return
    path.unlink(missing_ok=True)
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{path}", artifacts.as_uri()).engine.dispose()
    with contextlib.suppress(StorageError):
        here.write(kept, path.read_bytes())


def _is_copied(here: Storage, kept: str, path: Path, artifacts: Path) -> bool:
    """Whether `path` is a copy of what is `kept` `here` now, for files of runs at `artifacts`."""
    try:
        path.write_bytes(here.read(kept))
        if is_broken(path, thorough=True):
            return False
        with contextlib.closing(sqlite3.connect(path)) as copied, copied:
            copied.execute(MOVED, [artifacts.as_uri()])
    except (StorageError, OSError, sqlite3.Error):
        return False
    return True


def _let_go(path: Path) -> None:
    """Close this process's own connections to `path`: MLflow keeps them for as long as it runs."""
    settle()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = SqlAlchemyStore._engine_map.get(f"sqlite:///{path}")
    if engine:
        engine.dispose()


def _move_aside(path: Path, to: Path) -> None:
    for end in BESIDE:
        here, there = Path(f"{path}{end}"), Path(f"{to}{end}")
        there.unlink(missing_ok=True)
        if here.exists():
            os.replace(here, there)
