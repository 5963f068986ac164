"""A data set that Hugging Face's `datasets` saved to disk, read with pyarrow alone.

takes   a folder as `save_to_disk` leaves it: state.json, which lists the Arrow files in their
        order, and dataset_info.json, which says what columns hold; or dataset_dict.json and such a
        folder for each split
yields  cells as texts: values; names of classes; of several classes, joined by ";"; and paths.
        What lies in the Arrow files themselves, such as a sound or an array of numbers, has a path
        too, `<file>.arrow/<row>/<column>.<size><ending>`, that `file_of` alone can follow
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa

from fdsweep.search_spaces.errors import DataError, clipped, first_line
from fdsweep.trainers.preparation.catalog import Damaged

SPLITS, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"
SPLIT = "split"
"""Column with the name of each sample's folder, where there are several."""

ENDINGS = {"Audio": ".wav", "Image": ".png", "Video": ".mp4"}
"""By feature, for content that does not say the name of its file."""

ARRAY = ".npy"
INSIDE = re.compile(
    r"(?P<file>.+\.arrow)/(?P<row>\d+)/(?P<column>[^/]+)\.\d+(?P<ending>\.\w+)", re.DOTALL
)
SEPARATOR = ";"
"""Between the texts of a cell that holds several."""

FIX = "Save it again with `save_to_disk`, or give a CSV or Parquet file"
KEPT_OPEN = 16
"""Arrow files, which are mapped and not read."""


def read_columns(folder: Path, spell: Callable[[Any], str]) -> dict[str, list[str]]:
    """The cells of each column that can be used, empty for none; paths are relative to `folder`.

    Args:
        folder: of the data set.
        spell: a value as the text of a cell.

    Raises:
        DataError: it is no such folder, or a file of it cannot be read.
    """
    if not (folder / SPLITS).exists():
        return _columns(folder, Path(), spell)
    names = _read_json(folder / SPLITS).get("splits")
    if not isinstance(names, list) or not names:
        raise DataError("names no splits", str(folder / SPLITS), FIX)
    parts = {str(name): _columns(folder, Path(str(name)), spell) for name in names}
    shared = [
        column for column in next(iter(parts.values())) if all(column in x for x in parts.values())
    ]
    columns = {column: [cell for x in parts.values() for cell in x[column]] for column in shared}
    own = [name for name, x in parts.items() for _ in next(iter(x.values()), [])]
    return {SPLIT: own, **columns}


def joined(names: Iterable[str], where: str) -> str:
    """`names` as the text of one cell; DataError where one has the separator in it."""
    found = list(names)
    for name in found:
        if SEPARATOR in name:
            what = f"has {clipped(name)!r} in a list, in which {SEPARATOR!r} sets labels apart"
            raise DataError(what, where, "Write it without")
    return SEPARATOR.join(found)


def is_there(raw: Path, cell: str) -> bool:
    """Whether there is the file that `cell` names, in the folder `raw` or in an Arrow file."""
    inside = INSIDE.fullmatch(cell)
    try:
        return (raw / (inside["file"] if inside else cell)).is_file()
    except (OSError, ValueError):  # no name that a file can have
        return False


@contextmanager
def file_of(raw: Path, cell: str) -> Iterator[Path]:
    """The file that `cell` names; what lies in an Arrow file is written out for as long.

    Raises:
        Damaged: the Arrow file cannot be read, or has no such cell.
    """
    inside = INSIDE.fullmatch(cell)
    if inside is None:
        yield raw / cell
        return
    content = _content(raw / inside["file"], int(inside["row"]), unquote(inside["column"]))
    with NamedTemporaryFile(suffix=inside["ending"]) as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


def _columns(folder: Path, split: Path, spell: Callable[[Any], str]) -> dict[str, list[str]]:
    """The cells of the Arrow files that lie in `split` of `folder`."""
    state, info = (_read_json(folder / split / name) for name in (STATE, INFO))
    features = info.get("features")
    try:
        files = [split / str(one["filename"]) for one in state["_data_files"]]
    except (KeyError, TypeError):
        raise DataError("names no Arrow files", str(folder / split / STATE), FIX) from None
    columns: dict[str, list[str]] = {}
    for file in files:
        try:
            table = _opened(folder / file)
        except (OSError, pa.ArrowException) as error:
            what = f"cannot be read as an Arrow file ({_reason(error)})"
            raise DataError(what, str(folder / file), FIX) from None
        for name in table.column_names:
            feature = features.get(name) if isinstance(features, dict) else None
            place = f"{file.as_posix()}/{{}}/{quote(name, safe='')}"
            if isinstance(feature, list) and len(feature) == 1:  # how a list may be declared
                feature = {"feature": feature[0]}
            said = feature if isinstance(feature, dict) else {}
            cells = _cells(table[name], said, place, spell)
            if cells is not None:
                columns.setdefault(name, []).extend(cells)
    return columns


def _cells(
    column: pa.ChunkedArray, feature: Mapping[str, Any], place: str, spell: Callable[[Any], str]
) -> list[str] | None:
    """What stands in a `column`; None for what no modality, label or group can be.

    `place` is how paths into it begin, with a gap for the row.
    """
    kind, inner, where = column.type, feature.get("feature"), place.replace("/{}/", ", column ")
    if pa.types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}:
        return _files(column, ENDINGS.get(str(feature.get("_type")), ""), place)
    if "names" in feature:
        return [_class(value, feature["names"], where) for value in column.to_pylist()]
    if _is_list(kind) and isinstance(inner, dict) and "names" in inner:
        return [joined(_classes(cell, inner["names"], where), where) for cell in column]
    if _is_list(kind) and _is_text(kind.value_type):
        return [joined(map(spell, cell.as_py() or ()), where) for cell in column]
    if _is_list(kind):
        return _arrays(column, place)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    return [spell(value) for value in column.to_pylist()]


def _files(column: pa.ChunkedArray, ending: str, place: str) -> list[str]:
    """Paths of files, or into the Arrow file where it holds their content."""
    import pyarrow.compute as pc  # slow to import

    sizes = pc.binary_length(pc.struct_field(column, "bytes")).to_pylist()
    paths = pc.struct_field(column, "path").to_pylist()
    return [
        path or ""
        if size is None
        else f"{place.format(row)}.{size}{Path(path or '').suffix or ending}"
        for row, (size, path) in enumerate(zip(sizes, paths, strict=True))
    ]


def _arrays(column: pa.ChunkedArray, place: str) -> list[str] | None:
    """Paths to arrays of numbers; None for lists of something else."""
    import pyarrow.compute as pc  # slow to import

    kind = column.type
    while _is_list(kind):
        kind = kind.value_type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        return None
    sizes = pc.list_value_length(column).to_pylist()
    return [
        "" if size is None else f"{place.format(row)}.{size}{ARRAY}"
        for row, size in enumerate(sizes)
    ]


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _class(value: int | None, names: Sequence[str], where: str) -> str:
    """The name of a class; empty for none, which some spell -1."""
    if value is None or value < 0:
        return ""
    if value >= len(names):
        raise DataError(f"has the class {value} of {len(names)}, from 0", where, FIX)
    return str(names[value])


def _classes(cell: pa.Scalar, names: Sequence[str], where: str) -> list[str]:
    return [_class(value, names, where) for value in cell.as_py() or ()]


def _content(path: Path, row: int, column: str) -> bytes:
    """What lies in an Arrow file: a file's content, or an array as NumPy saves it."""
    try:
        value = _opened(path)[column][row].as_py()
    except (OSError, KeyError, IndexError, pa.ArrowException) as error:
        raise Damaged(f"cannot be read from its Arrow file ({_reason(error)})") from None
    if isinstance(value, dict):
        return bytes(value["bytes"])
    file = io.BytesIO()
    try:
        np.save(file, np.array(value), allow_pickle=False)
    except ValueError:
        raise Damaged("lists of several lengths, not an array") from None
    return file.getvalue()


def _opened(path: Path) -> pa.Table:
    stat = path.stat()
    return _mapped(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(KEPT_OPEN)
def _mapped(path: Path, _size: int, _changed: int) -> pa.Table:
    """The table in `path`, mapped into memory as it was when it had that size and time."""
    with pa.ipc.open_stream(pa.memory_map(str(path))) as reader:
        return reader.read_all()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        what = f"is a folder without {path.name}, and so no data set that was saved"
        raise DataError(what, str(path.parent), FIX) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot be read ({_reason(error)})", str(path), FIX) from None
    if not isinstance(content, dict):
        raise DataError("holds no JSON object", str(path), FIX)
    return content


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or first_line(error)
