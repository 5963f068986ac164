"""Files in a storage, local or remote, written in one step."""

import posixpath
import uuid
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from fdsweep.search_spaces.errors import StorageError


def locate(root: str) -> tuple[fs.FileSystem, str]:
    """The file system and the path inside it that `root` (a path or a URI) stands for.

    Raises:
        StorageError: a URI that pyarrow does not know.
    """
    if "://" not in root:
        return fs.LocalFileSystem(), str(Path(root).expanduser().absolute())
    try:
        system, path = fs.FileSystem.from_uri(root)
    except (pa.ArrowInvalid, OSError) as error:
        raise StorageError(f"cannot be used ({_first_line(error)})", root) from None
    return system, path


def exists(system: fs.FileSystem, path: str) -> bool:
    """Whether a file or folder stands at `path`."""
    return bool(system.get_file_info(path).type != fs.FileType.NotFound)


def write(system: fs.FileSystem, path: str, content: bytes) -> None:
    """Put `content` at `path` in one step: a reader sees all of it or nothing.

    Raises:
        StorageError: the place cannot be written.
    """
    folder, name = posixpath.split(path)
    temporary = posixpath.join(folder, f".{name}.{uuid.uuid4().hex}")
    try:
        system.create_dir(folder, recursive=True)
        with system.open_output_stream(temporary) as stream:
            stream.write(content)
        system.move(temporary, path)
    except OSError as error:
        raise StorageError(
            f"cannot be written ({_first_line(error)})", path, "Choose another --storage"
        ) from None


def read(system: fs.FileSystem, path: str) -> bytes:
    """The content of the file at `path`; StorageError if it cannot be read."""
    try:
        with system.open_input_stream(path) as stream:
            content: bytes = stream.read()
    except OSError as error:
        raise StorageError(f"cannot be read ({_first_line(error)})", path) from None
    return content


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
