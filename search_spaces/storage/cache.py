"""Copies on a node's own disk of what lies in a remote storage: each is fetched once per node.

    <folder>/<2 hex digits>/<name>-<sha256>     a copy; its name says what its bytes must be
    <folder>/starts*.json                       what starts took last (execution/devices/starts.py)

Only what never changes under its name is copied: shards, pretrained weights, and teachers, which
are known by the time and size that the storage tells of them. Every process checks a copy the first
time that it uses it. What was used longest ago goes first when all copies together are larger than
the limit; what is being fetched comes on top. A cache is never needed: where it cannot be written,
that is said once and all is read from the storage.
"""

import contextlib
import hashlib
import math
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock

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
        try:
            with _locked(self._folder(name)):
                path = self.find(storage, place, digest)  # another process may have been faster
                return path or self._make(storage, place, name, digest)
        except filelock.Timeout:
            return None
        except OSError as error:
            tell_once(f"the cache cannot be used ({first_line(error)}); all is read from afar.")
            return None

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
        part = self._folder(name) / f"{PART}{uuid.uuid4().hex}"
        try:
            found = _download(storage, place, part)
            if not found.startswith(digest):
                return None
            path = part.with_name(f"{name}-{found}")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _seen_whole.add((path, path.stat().st_ino))
        self._make_room(path)
        return path

    def _make_room(self, newest: Path) -> None:
        """Delete what was used longest ago, all but the `newest`, until the rest fits."""
        with _locked(self.folder):
            files = {path: path.stat() for path in _present(self.folder)}
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


def _present(folder: Path) -> Iterator[Path]:
    """Copies, and what is being fetched."""
    yield from folder.glob("??/*-*")
    yield from folder.glob(f"??/{PART}*")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock", timeout=PATIENCE_S):
        yield
