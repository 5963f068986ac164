"""Samples of a prepared data set, read from its shards."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import DataError, first_line
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.preparation.manifest import Manifest
from fdsweep.trainers.preparation.shards import ROWS_PER_GROUP, schema


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
    parts = []
    for number, groups in wanted.items():
        with _opened(storage, manifest, number) as file:
            parts += [  # a group is let go before the next is read
                file.read_row_group(group, list(columns), use_threads=False).take(own)
                for group, own in groups.items()
            ]
    places = {index: place for place, index in enumerate(sorted(set(rows)))}
    return pa.concat_tables(parts).take([places[index] for index in rows])


@contextmanager
def _opened(storage: str, manifest: Manifest, number: int) -> Iterator[pq.ParquetFile]:
    """The file of a shard; what goes wrong inside is a DataError."""
    shard = manifest.shards[number]
    kept, place = Storage(storage), layout.data_file(manifest.name, manifest.folder, shard.name)
    try:
        with kept.system.open_input_file(kept.inside(place)) as source:
            yield pq.ParquetFile(source, metadata=_footer(storage, place, shard.sha256))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"cannot be read ({first_line(error)})",
            kept.uri(place),
            manifest.again,
        ) from None


@lru_cache(maxsize=4096)
def _footer(storage: str, place: str, _sha256: str) -> pq.FileMetaData:
    kept = Storage(storage)
    with kept.system.open_input_file(kept.inside(place)) as source:
        return pq.read_metadata(source)
