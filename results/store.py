"""Finished replicates as Parquet files in one place, local or remote.

    results/<key>-<seed>.parquet       one row: the replicate exists once this file does
    curves/<key>-<seed>.parquet        its metrics per epoch
    predictions/<key>-<seed>.parquet   its predictions on the test split

Every file is written to a hidden name and moved, so a reader sees all of it or nothing.
"""

import dataclasses
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from results.schema import CURVES, PREDICTIONS, REPLICATES, Replicate
from search_spaces import files
from search_spaces.errors import StorageError

SCHEMAS = {"results": REPLICATES, "curves": CURVES, "predictions": PREDICTIONS}
NAME = re.compile(r"(?P<key>[^._].*)-(?P<seed>\d+)\.parquet")
READERS = 8

Rows: TypeAlias = "pa.Table | Sequence[Mapping[str, Any]]"


class Store:
    """Put, list and read replicates below `root`, a path or a URI that pyarrow knows.

    The constructor touches nothing: `create` and `open` say whether the place can be used.

    Example:
        >>> store = Store.create("fdsweep-runs")
        >>> store.put(replicate, curves, predictions)
        True

    Raises:
        StorageError: a URI that pyarrow does not know.
    """

    def __init__(self, root: str) -> None:
        self._system, self._base = files.locate(root)
        self.is_local = isinstance(self._system, fs.LocalFileSystem)
        self.root = self._base if self.is_local else root

    @classmethod
    def create(cls, root: str) -> "Store":
        """The storage at `root`, made if it is not there, and proved to be writable.

        Raises:
            StorageError: it cannot be made or written.
        """
        store = cls(root)
        try:
            for folder in (*SCHEMAS, "reports"):
                store._system.create_dir(store._inside(folder), recursive=True)
        except OSError as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise StorageError(
                f"cannot be written ({reason})", root, "Choose another --storage"
            ) from None
        probe = f".writable.{uuid.uuid4().hex}"
        store.write_text(probe, "")
        store._system.delete_file(store._inside(probe))
        return store

    @classmethod
    def open(cls, root: str) -> "Store":
        """The storage at `root`, to read from.

        Raises:
            StorageError: there is none.
        """
        store = cls(root)
        if store._system.get_file_info(store._base).type != fs.FileType.Directory:
            raise StorageError(
                "there is no storage here", root, "Give --storage, or type: fdsweep ablation"
            )
        return store

    def path(self, *parts: str) -> str:
        """Absolute path or full URI of something below the root, for others to open."""
        place, mark, options = self.root.partition("?")
        return "/".join([place.rstrip("/"), *parts]) + mark + options

    def put(self, replicate: Replicate, curves: Rows, predictions: Rows) -> bool:
        """Write one replicate; its row comes last and makes it count.

        The rows of `curves` and `predictions` hold the columns of their schema; `key` and `seed`
        are the replicate's own and may be left out. A done replicate is never overwritten, a
        failed one is superseded. Of two writers at the same instant one whole file stays.

        Returns:
            False if the replicate was done already, and nothing was written.

        Raises:
            StorageError: the place cannot be written.
        """
        name = f"{replicate.key}-{replicate.seed}.parquet"
        row = pa.Table.from_pylist([dataclasses.asdict(replicate)], schema=REPLICATES)
        tables = {
            "curves": _owned(curves, CURVES, replicate),
            "predictions": _owned(predictions, PREDICTIONS, replicate),
            "results": row,
        }
        for folder, table in tables.items():
            if self._is_done(name):
                return False
            files.write(self._system, self._inside(folder, name), _to_parquet(table))
        return True

    def replicates(self, keys: Collection[str] | None = None) -> pd.DataFrame:
        """Every readable row of `results/` (of `keys` only, if given), by key and seed.

        Columns are those of the contract, also when there is no row. Files that cannot be read
        are left out: see `damaged`.
        """
        return _to_frame(self._read("results", keys))

    def curves(self, keys: Collection[str] | None = None) -> pd.DataFrame:
        """Metrics per epoch, of `keys` only, if given; columns as in `schema.CURVES`."""
        return _to_frame(self._read("curves", keys))

    def predictions(self, keys: Collection[str] | None = None) -> pd.DataFrame:
        """Test predictions, of `keys` only, if given; columns as in `schema.PREDICTIONS`."""
        return _to_frame(self._read("predictions", keys))

    def finished(self) -> set[tuple[str, int]]:
        """(key, seed) of every replicate that is done; failed and damaged ones are not."""
        table = self._read("results", None, ["key", "seed", "status"])
        rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
        return {(key, seed) for key, seed, status in rows if status == "done"}

    def damaged(self, keys: Collection[str] | None = None) -> list[str]:
        """Files of `results/` (of `keys` only, if given) that are no whole Parquet file."""
        names = self._names("results", keys)
        tables = self._tables("results", names, ["key"])
        return [f"results/{name}" for name, table in zip(names, tables, strict=True) if not table]

    def read_text(self, path: str) -> str:
        """Content of the text file at `path` below the root.

        Raises:
            StorageError: it cannot be read.
        """
        return files.read(self._system, self._inside(path)).decode()

    def write_text(self, path: str, text: str) -> None:
        """Put `text` at `path` below the root in one step.

        Raises:
            StorageError: the place cannot be written.
        """
        self.write_bytes(path, text.encode())

    def write_bytes(self, path: str, content: bytes) -> None:
        """Put `content` at `path` below the root in one step.

        Raises:
            StorageError: the place cannot be written.
        """
        files.write(self._system, self._inside(path), content)

    def exists(self, path: str) -> bool:
        """Whether a file or folder stands at `path` below the root."""
        return files.exists(self._system, self._inside(path))

    def listing(self, folder: str) -> dict[str, int]:
        """Files anywhere below `folder`: path below the root -> time of change, in ns."""
        selector = fs.FileSelector(self._inside(folder), recursive=True, allow_not_found=True)
        found = [
            info for info in self._system.get_file_info(selector) if info.type == fs.FileType.File
        ]
        start = len(self._inside(""))
        return {info.path[start:]: info.mtime_ns or 0 for info in found}

    def _inside(self, *parts: str) -> str:
        return "/".join([self._base.rstrip("/"), *parts])

    def _is_done(self, name: str) -> bool:
        if not self.exists(f"results/{name}"):
            return False
        table = self._table("results", name, ["status"])
        return table is not None and table["status"].to_pylist() == ["done"]

    def _names(self, folder: str, keys: Collection[str] | None) -> list[str]:
        selector = fs.FileSelector(self._inside(folder), allow_not_found=True)
        found = [NAME.fullmatch(info.base_name) for info in self._system.get_file_info(selector)]
        named = [match for match in found if match and (keys is None or match["key"] in keys)]
        named.sort(key=lambda match: (match["key"], int(match["seed"])))
        return [match[0] for match in named]

    def _table(self, folder: str, name: str, columns: list[str]) -> pa.Table | None:
        content = files.read(self._system, self._inside(folder, name))
        schema = pa.schema([SCHEMAS[folder].field(column) for column in columns])
        try:
            with pq.ParquetFile(pa.BufferReader(content)) as file:
                there = set(file.schema_arrow.names)
                known = [column for column in columns if column in there]
                return _conform(file.read(known, use_threads=False), schema)
        except (OSError, pa.ArrowException):
            return None

    def _tables(self, folder: str, names: list[str], columns: list[str]) -> list[pa.Table | None]:
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(lambda name: self._table(folder, name, columns), names))

    def _read(
        self, folder: str, keys: Collection[str] | None, columns: list[str] | None = None
    ) -> pa.Table:
        columns = columns or SCHEMAS[folder].names
        tables = self._tables(folder, self._names(folder, keys), columns)
        nothing = SCHEMAS[folder].empty_table().select(columns)
        return pa.concat_tables([nothing, *(table for table in tables if table is not None)])


def _owned(rows: Any, schema: pa.Schema, replicate: Replicate) -> pa.Table:
    is_table = isinstance(rows, pa.Table)
    own = {"key": [replicate.key] * len(rows), "seed": [replicate.seed] * len(rows)}
    for name in schema.names[len(own) :]:
        own[name] = rows.column(name) if is_table else [row[name] for row in rows]
    return pa.table(own, schema=schema)


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


def _to_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _to_frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame
