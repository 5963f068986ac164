"""Samples of a prepared data set, read from its shards."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import DataError, StorageError, first_line
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.storage.cache import Cache
from fdsweep.trainers.preparation.manifest import Manifest
from fdsweep.trainers.preparation.shards import ROWS_PER_GROUP, schema

GROUPS_AT_ONCE = 8
"""Row groups that are asked for together where each answer takes a while: more take more memory."""


def fetch(storage: str, manifest: Manifest, threads: int, fetched: Callable[[], object]) -> None:
    """Copy the shards into this node's cache, if they are remote and it can hold all of them.

    Others are read by row groups as they are needed. `fetched` is called after each shard.
    """
    cache, kept = Cache.here(), Storage(storage)
    if kept.is_local or sum(shard.bytes for shard in manifest.shards) > cache.limit:
        return

    def copy(number: int) -> None:
        shard = manifest.shards[number]
        cache.fetch(kept, _place(manifest, number), shard.sha256)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(copy, range(len(manifest.shards))):
            fetched()


def read_table(storage: str, manifest: Manifest, columns: Sequence[str]) -> pa.Table:
    """`columns` of every sample, in order.

    Raises:
        DataError: a shard is not there or cannot be read.
    """
    return pa.concat_tables(
        read_shard(storage, manifest, number, columns) for number in range(len(manifest.shards))
    )


def read_shard(storage: str, manifest: Manifest, number: int, columns: Sequence[str]) -> pa.Table:
    """`columns` of the samples of one shard; DataError if it is not there or cannot be read."""
    with _opened(storage, manifest, number) as file:
        return file.read(list(columns))


def read_rows(
    storage: str, manifest: Manifest, rows: Sequence[int], columns: Sequence[str]
) -> pa.Table:
    """`columns` of the samples `rows`, in the order given, reading little beside them.

    Raises:
        DataError: a shard is not there or cannot be read.
        IndexError: there is no such row.
    """
    starts = list(accumulate((shard.rows for shard in manifest.shards), initial=0))
    wanted: dict[int, dict[int, list[int]]] = {}
    for index in sorted(set(rows)):
        if not 0 <= index < starts[-1]:
            raise IndexError(f"row {index} of {starts[-1]}")
        number = bisect_right(starts, index) - 1
        group, row = divmod(index - starts[number], ROWS_PER_GROUP)
        wanted.setdefault(number, {}).setdefault(group, []).append(row)
    if not wanted:
        return schema(manifest.payloads).empty_table().select(list(columns))
    parts: list[pa.Table] = []
    for number, groups in wanted.items():
        with _opened(storage, manifest, number) as file:
            parts += _read_groups(file, groups, list(columns), Storage(storage).is_local)
    places = {index: place for place, index in enumerate(sorted(set(rows)))}
    return pa.concat_tables(parts).take([places[index] for index in rows])


def _read_groups(
    file: pq.ParquetFile, groups: dict[int, list[int]], columns: list[str], is_local: bool
) -> Iterator[pa.Table]:
    """`columns` of some rows of each of `groups`; what else they hold is let go at once."""
    step, asked = 1 if is_local else GROUPS_AT_ONCE, list(groups)
    for start in range(0, len(asked), step):
        some = asked[start : start + step]
        rows = [ROWS_PER_GROUP * i + row for i, group in enumerate(some) for row in groups[group]]
        yield file.read_row_groups(some, columns, use_threads=False).take(rows)


@contextmanager
def _opened(storage: str, manifest: Manifest, number: int) -> Iterator[pq.ParquetFile]:
    """The file of a shard, or its copy on this node; what goes wrong inside is a DataError."""
    shard, place = manifest.shards[number], _place(manifest, number)
    try:
        with _source(storage, place, shard.sha256) as source:
            footer = _footer(storage, place, shard.sha256)
            yield pq.ParquetFile(source, metadata=footer, pre_buffer=not Storage(storage).is_local)
    except (OSError, StorageError, pa.ArrowInvalid) as error:
        raise DataError(
            f"cannot be read ({first_line(error)})",
            Storage(storage).uri(place),
            manifest.again,
        ) from None


def _place(manifest: Manifest, number: int) -> str:
    return layout.data_file(manifest.name, manifest.folder, manifest.shards[number].name)


def _source(storage: str, place: str, sha256: str) -> pa.NativeFile:
    """What the shard at `place` is read from; a copy of it is one that `fetch` made."""
    kept = Storage(storage)
    copy = None if kept.is_local else Cache.here().find(kept, place, sha256)
    if copy:
        with suppress(FileNotFoundError):  # it has just made room for others
            return pa.OSFile(str(copy))
    return kept.system.open_input_file(kept.inside(place))


@lru_cache(maxsize=4096)
def _footer(storage: str, place: str, sha256: str) -> pq.FileMetaData:
    with _source(storage, place, sha256) as source:
        return pq.read_metadata(source)
