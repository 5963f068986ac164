"""A replicate's tables in the columns of today, whoever wrote them, and as Parquet."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.results.records import older
from fdsweep.results.records.schema import (
    CURVES,
    KEPT,
    LABEL_SETS,
    PREDICTIONS,
    REGIONS,
    REPLICATES,
    SAMPLES,
    Replicate,
)
from fdsweep.search_spaces import layout

if TYPE_CHECKING:
    import pandas as pd

SCHEMAS = {layout.RESULTS: REPLICATES, layout.CURVES: CURVES, layout.PREDICTIONS: PREDICTIONS}

REPEATING = ("key", "sample_id", "group")
"""Columns of predictions that hold few different texts many times."""

Rows: TypeAlias = "pa.Table | Sequence[Mapping[str, Any]]"


def owned(rows: Rows, schema: pa.Schema, replicate: Replicate) -> pa.Table:
    """`rows` with the columns of `schema`, `key` and `seed` being those of `replicate`."""
    own = {"key": [replicate.key] * len(rows), "seed": [replicate.seed] * len(rows)}
    for name in schema.names[len(own) :]:
        own[name] = _column(rows, name)
    return pa.table(own, schema=schema)


def _column(rows: Rows, name: str) -> "pa.ChunkedArray | list[object]":
    if isinstance(rows, pa.Table):
        return rows.column(name)
    return [row[name] for row in rows]


def kept(rows: Rows, replicate: Replicate) -> pa.Table:
    """What the task of `replicate` keeps of test samples, as a table of its own."""
    if replicate.task in KEPT:
        return owned(rows, KEPT[replicate.task], replicate)
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows))
    return _appended(owned(table if len(table) else [], SAMPLES, replicate), table)


def _appended(table: pa.Table, other: pa.Table) -> pa.Table:
    """`table` with those columns of `other` that it lacks."""
    for name in other.column_names:
        if name not in table.column_names:
            table = table.append_column(name, other[name])
    return table


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all; a column that one lacks is null there."""
    return pa.concat_tables(tables, promote_options="default")


def of_today(table: pa.Table, folder: str) -> pa.Table:
    """The table in a file of `folder` as one of today's.

    Raises:
        KeyError, ValueError, pa.ArrowException: it cannot be made one.
    """
    if table.schema.equals(SCHEMAS[folder]):
        return table
    if folder == layout.RESULTS:
        return _conform(older.replicates(table), REPLICATES)
    return _samples(table) if folder == layout.PREDICTIONS else _conform(table, CURVES)


def _samples(table: pa.Table) -> pa.Table:
    """`table` of `predictions/`: the columns of its task, whatever else it holds behind them."""
    if {"label", "intersection", "union"} <= {*table.column_names}:
        schema = REGIONS
    elif {"labels", "scores"} <= {*table.column_names}:
        schema = LABEL_SETS
    else:
        schema = PREDICTIONS if "label" in table.column_names else SAMPLES
    return _appended(_conform(table, schema), table)


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with exactly the columns of `schema`; those of a newer version are null."""
    if table.schema.equals(schema):
        return table
    columns = {
        field.name: table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    }
    return pa.table(columns, schema=schema)


def is_own(table: pa.Table, folder: str, name: str) -> bool:
    """Whether the file `name` holds rows of replicates, and of its own beside a result."""
    if folder == layout.RESULTS:
        named = (table[column].null_count for column in ("key", "seed", "files"))
        return len(table) > 0 and not any(named)
    if not len(table):
        return True
    return name == layout.replicate_file(table["key"][0].as_py(), table["seed"][0].as_py())


def compact(table: pa.Table, folder: str) -> pa.Table:
    """`table` in one piece, and in few bytes where texts repeat."""
    if folder == layout.PREDICTIONS:
        for column in REPEATING:
            place = table.column_names.index(column)
            table = table.set_column(place, column, table[column].dictionary_encode())
    return table.combine_chunks()


def to_parquet(table: pa.Table) -> bytes:
    """`table` as a Parquet file; a single row without dictionaries and statistics."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_dictionary=len(table) > 1, write_statistics=len(table) > 1)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def to_frame(table: pa.Table) -> "pd.DataFrame":
    """`table` for those who compute with it."""
    frame: pd.DataFrame = table.to_pandas()  # brings pandas, slow to import
    return frame
