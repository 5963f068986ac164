"""A node's own disk: copies of what lies in a remote storage, and what took long to compute.

    <folder>/<2 hex digits>/<name>-<sha256>     a file; its name says what its bytes must be
    <folder>/starts*.json                       what starts took last (execution/devices/starts.py)
    <folder>/mlflow-<version>.db                a database without runs (tracking/database.py)

Each copy is fetched once per node. Only what never changes under its name is copied: shards,
pretrained weights, and teachers, which are known by the time and size that the storage tells of
them. Every process checks a copy the first time that it uses it. What was computed is known by a
name for all that decides it, and leaves a tenth of the disk free. What was used longest ago goes
first when all files together are larger than the limit; what is being fetched comes on top. A cache
is never needed: where it cannot be written, that is said once, and all is read from the storage, or
computed, again.
"""

import contextlib
import hashlib
import math
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fdsweep.search_spaces.errors import ConfigError, first_line
from fdsweep.search_spaces.storage import Storage, tell_once

FOLDER, GIGABYTES = "FDSWEEP_CACHE_DIR", "FDSWEEP_CACHE_GB"
"""Variables that say where copies lie and how large they may be together; a cluster's too."""

DEFAULT_GB = 50.0
NAME_LENGTH = 20
PART = ".part-"
"""How the name begins of what is being fetched."""

PIECE = 2**23
"""Bytes that are fetched at a time."""

PATIENCE_S = 120.0
"""How long others are waited for that fetch the same; then it is read from the storage."""

STALE_S = 3600.0
"""What was being fetched and has not grown for so long is nobody's."""

SLACK = 0.01
"""Part of the limit for which it is not worth to look through all files."""

MIN_FREE = 0.1
"""Part of a disk that is left free by what was computed, which nobody asked to be kept."""

_seen_whole: set[tuple[Path, int]] = set()
"""Copies, with their inodes, that this process has read whole."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Copies in `folder`, of at most `limit` bytes together.

    Example:
        >>> path = Cache.here().fetch(storage, place, digest)
    """

    folder: Path
    limit: int

    @classmethod
    def here(cls) -> "Cache":
        """The cache of this node, as the variables say.

        Raises:
            ConfigError: a size that cannot be.
        """
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        folder = os.environ.get(FOLDER) or f"{base}/fdsweep"
        limit = _bytes(os.environ.get(GIGABYTES) or str(DEFAULT_GB))
        return cls(Path(os.path.abspath(os.path.expanduser(folder))), limit)

    def find(self, storage: Storage, place: str, digest: str = "") -> Path | None:
        """The copy of the file at `place`, if there is a whole one; it may go at any moment.

        `digest` is the sha256 of the file, or how it begins; without it the storage is asked when
        the file was last changed.
        """
        name = _name(storage, place, digest)
        with contextlib.suppress(OSError):
            for path in self._folder(name).glob(f"{name}-*") if name else ():
                if self._is_whole(path):
                    os.utime(path)
                    return path
        return None

    def fetch(self, storage: Storage, place: str, digest: str = "") -> Path | None:
        """The copy of the file at `place`, made if there is none.

        None where it cannot be: it is too large, the disk is full, or the file is not what `digest`
        says. Then the storage itself tells.
        """
        path = self.find(storage, place, digest)
        name, size = _name(storage, place, digest), storage.size(place) or self.limit + 1
        if path or not name or size > self.limit:
            return path
        import filelock  # slow to import

        try:
            with _locked(self._folder(name)):
                path = self.find(storage, place, digest)  # another process may have been faster
                return path or self._make(storage, place, name, digest)
        except filelock.Timeout:
            return None
        except OSError as error:
            tell_once(f"the cache cannot be used ({first_line(error)}); all is read from afar.")
            return None

    def recall(self, name: str) -> bytes | None:
        """What is kept as `name`, which counts as used now; None if it is not there or damaged."""
        with contextlib.suppress(OSError):
            for path in self._folder(name).glob(f"{name}-*") if self.limit else ():
                content = path.read_bytes()
                if path.name.endswith(f"-{hashlib.sha256(content).hexdigest()}"):
                    os.utime(path)
                    return content
                path.unlink(missing_ok=True)
        return None

    def keep(self, name: str, content: bytes | memoryview) -> None:
        """Keep `content` as `name`, hexadecimal digits, if there is room and nobody has.

        Many small files may exceed the limit by about SLACK: for each of them it is looked at only
        as often as its size asks for, which its name decides.
        """
        size = len(content)
        if size > self.limit:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            disk = shutil.disk_usage(self.folder)
            if disk.free - size < MIN_FREE * disk.total:
                return
            path = self._folder(name) / f"{name}-{hashlib.sha256(content).hexdigest()}"
            with _locked(path.parent):
                if any(path.parent.glob(f"{name}-*")):
                    return  # another process was faster
                with _part(path.parent) as part:
                    part.write_bytes(content)
                    part.replace(path)
            if int(name[:8], 16) * SLACK * self.limit <= size * 16**8:
                self._make_room(path)
        except OSError as error:
            tell_once(f"the cache cannot be used ({first_line(error)}); what it lacks is computed.")

    def _folder(self, name: str) -> Path:
        return self.folder / name[:2]

    def _is_whole(self, path: Path) -> bool:
        """Whether the copy at `path` has the content that its name says; else it is deleted."""
        known = path, path.stat().st_ino
        if known not in _seen_whole:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if not path.name.endswith(f"-{found}"):
                path.unlink(missing_ok=True)
                return False
            _seen_whole.add(known)
        return True

    def _make(self, storage: Storage, place: str, name: str, digest: str) -> Path | None:
        """Fetch the file at `place`; its lock is held."""
        with _part(self._folder(name)) as part:
            found = _download(storage, place, part)
            if not found.startswith(digest):
                return None
            path = part.with_name(f"{name}-{found}")
            part.replace(path)
        _seen_whole.add((path, path.stat().st_ino))
        self._make_room(path)
        return path

    def _make_room(self, newest: Path) -> None:
        """Delete what was used longest ago, all but the `newest`, until the rest fits."""
        with _locked(self.folder):
            files: dict[Path, os.stat_result] = {}
            for path in _present(self.folder):
                with contextlib.suppress(FileNotFoundError):  # what was fetched has its name now
                    files[path] = path.stat()
            total = sum(stat.st_size for stat in files.values())
            for path, stat in sorted(files.items(), key=lambda one: one[1].st_mtime_ns):
                is_part = path.name.startswith(PART)
                if is_part and time.time() - stat.st_mtime < STALE_S:
                    continue
                if path != newest and (is_part or total > self.limit):
                    path.unlink(missing_ok=True)
                    total -= stat.st_size


def choose(folder: str | None, gigabytes: float | None) -> None:
    """Let this process and those that it starts use another cache; None leaves what is set.

    Raises:
        ConfigError: a size that cannot be.
    """
    if gigabytes is not None:
        _bytes(f"{gigabytes:g}")
        os.environ[GIGABYTES] = f"{gigabytes:g}"
    if folder is not None:
        os.environ[FOLDER] = os.path.abspath(os.path.expanduser(folder))


def chosen() -> dict[str, str]:
    """The variables that are set, for the workers of a cluster."""
    return {name: os.environ[name] for name in (FOLDER, GIGABYTES) if name in os.environ}


def read(storage: Storage, place: str, digest: str = "") -> bytes:
    """The content of the file at `place`, through the node's cache if the storage is remote.

    Raises:
        StorageError: it cannot be read.
    """
    path = None if storage.is_local else Cache.here().fetch(storage, place, digest)
    if path:
        with contextlib.suppress(OSError):  # it has just made room for others
            return path.read_bytes()
    return storage.read(place)


def _bytes(gigabytes: str) -> int:
    """So many bytes; ConfigError for a size that cannot be."""
    try:
        given = float(gigabytes)
    except ValueError:
        given = math.nan
    if not 0 <= given < math.inf:
        what = f"{gigabytes} GB asked for"
        raise ConfigError(what, "--cache-gb", "Give 0, for no cache, or more")
    return int(given * 1e9)


def _name(storage: Storage, place: str, digest: str) -> str:
    """What a copy of the file at `place` is known by; "" if there is no such file."""
    if digest:
        return digest[:NAME_LENGTH]
    stamp = storage.stamp(place)
    told = f"{storage.uri(place)} {stamp}"
    return hashlib.sha256(told.encode()).hexdigest()[:NAME_LENGTH] if stamp else ""


def _download(storage: Storage, place: str, path: Path) -> str:
    """Write the file at `place` to `path`; its sha256.

    Raises:
        StorageError: the storage cannot be read.
    """
    digest, pieces = hashlib.sha256(), storage.pieces(place, PIECE)
    with path.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """A place in `folder` for what is not whole yet; what lies there in the end is deleted."""
    part = folder / f"{PART}{uuid.uuid4().hex}"
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _present(folder: Path) -> Iterator[Path]:
    """Files, and what is being fetched."""
    yield from folder.glob("??/*-*")
    yield from folder.glob(f"??/{PART}*")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    import filelock  # slow to import

    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock", timeout=PATIENCE_S):
        yield
