"""A storage, local or remote: one root, below which every file is read, and written in one step."""

import contextlib
import errno
import os
import posixpath
import re
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pyarrow import fs

from fdsweep.search_spaces.errors import StorageError, first_line, has_control, public
from fdsweep.search_spaces.storage import remote

OTHER_STORAGE = "Choose another --storage"
FULL = {errno.ENOSPC, errno.EDQUOT}
MAKE_ROOM = "Make room there, then type the same command again: what is stored counts"
PATIENCE_S = 60.0
"""How long a lock is waited for that others hold for moments."""

DAMAGED = "damaged"
"""The folder, and the ending, of files that were set aside."""

_told: set[str] = set()
SCHEME_ALONE = re.compile(r"(s3|gs|gcs|hdfs|viewfs|abfs|abfss|file):(?!//)")
"""Taken as a path it would be a folder of that odd name."""


class Storage:
    """What lies below `root`, a path or a URI that pyarrow knows. It can be pickled.

    Places are paths below the root, as `search_spaces.layout` spells them. The constructor touches
    no file; keys in a URI go into the environment, for this process and those it starts.

    Attributes:
        root: the absolute path, or the URI without keys.
        is_local: whether it is a folder of this machine.
        is_flat: whether it is object storage, which has no folders.
        system: pyarrow's file system.

    Raises:
        StorageError: a URI that pyarrow does not know.
    """

    def __init__(self, root: str) -> None:
        root = remote.take_keys(root)
        self.system, self._base = _locate(root)
        self.is_local = isinstance(self.system, fs.LocalFileSystem)
        self.is_flat = self.system.type_name in remote.OBJECT_STORES
        self.root = self._base if self.is_local else root

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.root,)

    def inside(self, place: str) -> str:
        """The path of `place` for the file system `system`."""
        return posixpath.join(self._base, place)

    def uri(self, place: str) -> str:
        """Absolute path or full URI of `place`, for others to open."""
        root, mark, options = self.root.partition("?")
        return f"{root.rstrip('/')}/{place}{mark}{options}"

    def local(self, place: str) -> Path:
        """`place` as a path of this machine.

        Raises:
            StorageError: the storage is remote.
        """
        if not self.is_local:
            raise StorageError("is not a folder of this machine", self.root, "Give a folder")
        return Path(self._base, place)

    def exists(self, place: str = "") -> bool:
        """Whether a file or folder stands at `place`."""
        return bool(self._look(place).type != fs.FileType.NotFound)

    def is_folder(self, place: str = "") -> bool:
        """Whether a folder stands at `place`."""
        return bool(self._look(place).type == fs.FileType.Directory)

    def size(self, place: str) -> int | None:
        """Bytes of the file at `place`; None if there is none."""
        size: int | None = self._look(place).size
        return size

    def stamp(self, place: str) -> tuple[int, int] | None:
        """Time of change in ns, 0 if it is unknown, and bytes of the file at `place`, if any."""
        info = self._look(place)
        return (info.mtime_ns or 0, info.size) if info.type == fs.FileType.File else None

    def make_folder(self, place: str) -> None:
        """See to it that there is a folder at `place`; StorageError if it cannot be made."""
        if self.is_flat:
            return
        try:
            self.system.create_dir(self.inside(place), recursive=True)
        except OSError as error:
            raise unwritable(self.root, error) from None

    def write(self, place: str, content: bytes) -> None:
        """Put `content` at `place` in one step: a reader sees all of it or nothing.

        Raises:
            StorageError: the place cannot be written.
        """
        if self.is_flat:
            self._put(place, content)
            return
        folder, name = posixpath.split(self.inside(place))
        temporary = posixpath.join(folder, f".{name}.{uuid.uuid4().hex}")
        try:
            self.system.create_dir(folder, recursive=True)
            with self.system.open_output_stream(temporary) as stream:
                stream.write(content)
            self.system.move(temporary, self.inside(place))
        except OSError as error:
            with contextlib.suppress(OSError):
                self.system.delete_file(temporary)
            raise unwritable(self.inside(place), error) from None

    def read(self, place: str, size: int | None = None) -> bytes:
        """The content of the file at `place`, or its first `size` bytes.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            with self.system.open_input_stream(self.inside(place)) as stream:
                content: bytes = stream.read(size)
        except remote.ERRORS as error:
            raise self._unreadable(place, error) from None
        return content

    def pieces(self, place: str, size: int) -> Iterator[bytes]:
        """The content of the file at `place`, `size` bytes at a time.

        Raises:
            StorageError: it cannot be read.
        """
        with self._asked(place), self.system.open_input_stream(self.inside(place)) as stream:
            while piece := stream.read(size):
                yield piece

    def read_end(self, place: str, size: int) -> bytes:
        """The last `size` bytes of the file at `place`; StorageError if it cannot be read."""
        try:
            with self.system.open_input_file(self.inside(place)) as file:
                file.seek(max(file.size() - size, 0))
                content: bytes = file.read()
        except remote.ERRORS as error:
            raise self._unreadable(place, error) from None
        return content

    def read_text(self, place: str) -> str:
        """The text at `place`; StorageError if it cannot be read."""
        return self.read(place).decode()

    def write_text(self, place: str, text: str) -> None:
        """Put `text` at `place` in one step; StorageError if it cannot be written."""
        self.write(place, text.encode())

    def files(self, folder: str) -> list[fs.FileInfo]:
        """Files in `folder`; none if there is no such folder."""
        return self._files(folder, deep=False)

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in `folder`; none if there is no such folder."""
        selector = fs.FileSelector(self.inside(folder), allow_not_found=True)
        found = self.system.get_file_info(selector)
        return [info.base_name for info in found if info.type == fs.FileType.Directory]

    def listing(self, folder: str) -> dict[str, int]:
        """Files anywhere below `folder`: place -> time of change, in ns."""
        start = len(self.inside(""))
        return {info.path[start:]: info.mtime_ns or 0 for info in self._files(folder, deep=True)}

    def sizes(self, folder: str) -> dict[str, int]:
        """Files anywhere below `folder`: place -> bytes."""
        start = len(self.inside(""))
        return {info.path[start:]: info.size or 0 for info in self._files(folder, deep=True)}

    def delete_file(self, place: str) -> None:
        """Delete the file at `place`; StorageError if it is in object storage and cannot be."""
        with self._asked(place):
            self.system.delete_file(self.inside(place))

    def delete_folder(self, place: str) -> None:
        """Delete the folder at `place`, if it is there; StorageError if it cannot be."""
        try:
            if self.exists(place):
                self.system.delete_dir(self.inside(place))
        except FileNotFoundError:
            return  # another process was faster
        except OSError as error:
            raise unwritable(self.inside(place), error) from None

    @contextlib.contextmanager
    def locked(self, place: str, patience: float = PATIENCE_S) -> Iterator[None]:
        """Keep others out who ask for the lock at `place`; a remote storage has no locks.

        Raises:
            StorageError: another process held it for `patience` seconds, or it cannot be made.
        """
        if not self.is_local:
            yield
            return
        import filelock  # slow to import

        self.make_folder(posixpath.dirname(place))
        lock = filelock.FileLock(self.local(place))
        try:
            lock.acquire(timeout=patience)
        except filelock.Timeout:
            what = f"another process has held this lock for {patience:g} s"
            raise StorageError(what, self.uri(place), "Stop it, or try again later") from None
        except OSError as error:
            raise unwritable(self.uri(place), error) from None
        try:
            yield
        finally:
            lock.release()

    def set_aside(self, place: str, why: str) -> None:
        """Take the file at `place` out of the way, and say so: a damaged file is a missing file.

        It is kept as `damaged/<place>.damaged`, away from folders that others read whole, and may
        be deleted. Where it cannot be moved, it stays and is spoken of once in each process; where
        it is gone, another process was faster.

        Args:
            place: of a file that was read and cannot be used.
            why: in words that follow "is damaged".
        """
        aside = f"{DAMAGED}/{place}.{DAMAGED}"
        sentence = f"{self.uri(place)} is damaged ({why}) and counts as missing"
        try:
            self.make_folder(posixpath.dirname(aside))
            self.system.move(self.inside(place), self.inside(aside))
        except (OSError, StorageError) as error:
            if self.exists(place):
                tell_once(f"{sentence}; it cannot be moved ({first_line(error)}).")
        else:
            _tell(f"{sentence}; it was moved to {aside}.")

    def _put(self, place: str, content: bytes) -> None:
        """Write an object, which appears whole when it is closed."""
        try:
            with self.system.open_output_stream(self.inside(place)) as stream:
                stream.write(content)
        except remote.ERRORS as error:
            raise unwritable(self.uri(place), error) from None

    def _look(self, place: str) -> fs.FileInfo:
        with self._asked(place):
            return self.system.get_file_info(self.inside(place))

    @contextlib.contextmanager
    def _asked(self, place: str) -> Iterator[None]:
        """Say in a sentence why another machine does not answer a question about `place`."""
        try:
            yield
        except remote.ERRORS as error:
            if self.is_local:
                raise
            raise self._unreadable(place, error) from None

    def _unreadable(self, place: str, error: Exception) -> StorageError:
        if self.is_local:
            return StorageError(f"cannot be read ({first_line(error)})", self.inside(place))
        why, fix = remote.explained(error)
        return StorageError(f"cannot be read ({why})", self.uri(place), fix)

    def _files(self, folder: str, *, deep: bool) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self.inside(folder), recursive=deep, allow_not_found=True)
        with self._asked(folder):
            found = self.system.get_file_info(selector)
        return [info for info in found if info.type == fs.FileType.File]


def unwritable(place: str, error: Exception) -> StorageError:
    """What to say of `error`, met when something was to be written at `place`."""
    if getattr(error, "errno", None) in FULL:
        return StorageError(f"the storage is full ({first_line(error)})", place, MAKE_ROOM)
    why, fix = remote.explained(error)
    return StorageError(f"cannot be written ({why})", place, fix or OTHER_STORAGE)


@contextlib.contextmanager
def told_if_full(root: str) -> Iterator[None]:
    """Tell that there was no room for what others wrote into the storage at `root`, or for it.

    Raises:
        StorageError: in place of an OSError that says so.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        what = f"the storage, or {tempfile.gettempdir()}, is full ({first_line(error)})"
        raise StorageError(what, root, MAKE_ROOM) from None


def tell_once(sentence: str) -> None:
    """Say `sentence` on stderr, unless this process has said it already."""
    if sentence not in _told:
        _told.add(sentence)
        _tell(sentence)


def _tell(sentence: str) -> None:
    print(f"fdsweep: {public(sentence)}", file=sys.stderr, flush=True)


def _locate(root: str) -> tuple[fs.FileSystem, str]:
    if not root.strip():
        raise StorageError("no place is given", "--storage", "Give a path, or a URI")
    if has_control(root):
        raise StorageError("cannot be the name of a place", root, OTHER_STORAGE)
    if SCHEME_ALONE.match(root):
        raise StorageError("is neither a path nor a URI", root, "Write a URI with ://")
    if "://" not in root:
        return fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(root))
    return remote.locate(root)
