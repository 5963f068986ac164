"""Files of replicates, many at a time: their names, their stamps, and the tables in them."""

import re
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.results.records.store import tables
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

NAME = re.compile(r"(?P<key>[^._].*)-(?P<seed>\d+)\.parquet")

NOT_WHOLE, OF_OTHERS = "no whole Parquet file", "it holds no rows of its replicate"
"""Why a file is damaged."""

LOCAL_READERS, REMOTE_READERS = 2, 8
"""Threads: a local file is ready at once, and more than two wait for the interpreter's lock."""

CHUNK = 64
"""Files that a thread reads before it gives back what it found."""

Stamp: TypeAlias = tuple[int | None, int]
"""Time of change in ns, if it is known, and bytes."""


def in_order(names: Iterable[str], keys: Collection[str] | None) -> list[str]:
    """Those of `names` that are replicates (of `keys` only, if given), by key and seed."""
    found = [match for match in map(NAME.fullmatch, names) if match]
    if keys is not None:
        chosen = set(keys)
        found = [match for match in found if match["key"] in chosen]
    return [match[0] for match in sorted(found, key=lambda m: (m["key"], int(m["seed"])))]


def stamps(storage: Storage, folder: str) -> dict[str, Stamp]:
    """Name -> time of change in ns, if it is known, and bytes, of each file in `folder`."""
    return {info.base_name: (info.mtime_ns, info.size) for info in storage.files(folder)}


def readers(storage: Storage) -> ThreadPoolExecutor:
    """As many threads as the storage gives files to at once."""
    return ThreadPoolExecutor(LOCAL_READERS if storage.is_local else REMOTE_READERS)


def chunks(names: list[str]) -> list[list[str]]:
    """`names` in pieces: to ask a thread for each alone costs more than a look at its file."""
    return [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]


def if_there(storage: Storage, read: Callable[[], bytes], place: str) -> bytes | None:
    """What `read` gives; None if there is no such file, or none any more."""
    try:
        return read()
    except StorageError:
        return read() if storage.exists(place) else None  # another process may just have put it


def content(storage: Storage, folder: str, name: str) -> pa.Table | None:
    """The table in a file; None if it is damaged, and set aside."""
    place = f"{folder}/{name}"
    found = if_there(storage, lambda: storage.read(place), place)
    if found is None:
        return None
    try:
        with pq.ParquetFile(pa.BufferReader(found)) as file:
            table = tables.of_today(file.read(use_threads=False), folder)
        why = "" if tables.is_own(table, folder, name) else OF_OTHERS
    except (OSError, ValueError, KeyError, pa.ArrowException):
        why = NOT_WHOLE
    if why:
        storage.set_aside(place, why)
    return None if why else table


def read_all(storage: Storage, folder: str, names: list[str]) -> tuple[pa.Table, list[int]]:
    """The rows of the files `names`, and how many each gave: a damaged one none."""

    def read(some: list[str]) -> tuple[list[pa.Table], list[int]]:
        found = [content(storage, folder, name) for name in some]
        whole = [table for table in found if table is not None]
        counts = [0 if table is None else len(table) for table in found]
        return [tables.compact(tables.joined(whole), folder)] if whole else [], counts

    with readers(storage) as threads:
        parts = list(threads.map(read, chunks(names)))
    nothing = tables.compact(pa.Table.from_batches([], tables.SCHEMAS[folder]), folder)
    whole = [table for some, _ in parts for table in some] or [nothing]
    return tables.joined(whole).unify_dictionaries(), [n for _, counts in parts for n in counts]
