"""Rows of many small files, copied into one that is read at once.

A copy counts while its file is as it was: the stamp of each, its time of change and its bytes,
stands in the metadata of the Parquet file. Where no time is known, no copy counts. Nothing is lost
with the copies.

No thread of pyarrow's reads the bytes, which are Python's: the last to let go of them at the end of
the process must not be one (github.com/apache/arrow/issues/34314). It is no faster anyway.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.results.records.store.files import Stamp

FILES = b"fdsweep.files"


@dataclass(frozen=True, slots=True)
class Copies:
    """Rows of files: `counts` says how many of `table` each file has, in their order."""

    counts: Mapping[str, int]
    table: pa.Table


def to_bytes(copies: Copies, stamps: Mapping[str, Stamp]) -> bytes:
    """`copies` as a Parquet file that holds the stamps too."""
    told = [[file, *stamps[file], count] for file, count in copies.counts.items()]
    table = copies.table.replace_schema_metadata({FILES: json.dumps(told)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def from_bytes(content: bytes, schema: pa.Schema, stamps: Mapping[str, Stamp]) -> Copies:
    """What `to_bytes` wrote, of the files that have the same `stamps`.

    Raises:
        OSError, ValueError, KeyError, TypeError, pa.ArrowException: it is not such a file, or its
            columns are not those of `schema`.
    """
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        table = file.read(use_threads=False)
    told = json.loads(table.schema.metadata[FILES])
    table = table.replace_schema_metadata(None)
    counts = np.array([count for *_, count in told], dtype=np.int64)
    if not table.schema.equals(schema) or counts.sum() != len(table):
        raise ValueError("other columns, or other rows")
    holds = np.array([bool(t) and stamps.get(name) == (t, size) for name, t, size, _ in told], bool)
    if not holds.all():
        table = table.filter(pa.array(np.repeat(holds, counts)))
    return Copies({one[0]: one[3] for one, held in zip(told, holds, strict=True) if held}, table)


def joined(*parts: Copies) -> Copies:
    """The rows of all `parts`, one after the other; a column that one lacks is null there."""
    if len(parts) == 1:
        return parts[0]
    counts = {file: count for part in parts for file, count in part.counts.items()}
    table = pa.concat_tables([part.table for part in parts], promote_options="default")
    return Copies(counts, table.unify_dictionaries())


def chosen(copies: Copies, files: Sequence[str]) -> Copies:
    """The rows of `files`, which are among those of `copies`, in their order.

    Dictionaries hold what occurs, in the order in which it does: statistics draw in that order.
    """
    if [*files] == [*copies.counts]:
        return copies
    ends = dict(zip(copies.counts, np.cumsum([*copies.counts.values()]), strict=True))
    places = [np.arange(ends[file] - copies.counts[file], ends[file]) for file in files]
    rows = pa.array(np.concatenate([np.arange(0), *places]))
    table = copies.table.take(rows).combine_chunks()
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table.column(place).cast(field.type.value_type).dictionary_encode()
            table = table.set_column(place, field, column)
    return Copies({file: copies.counts[file] for file in files}, table)
