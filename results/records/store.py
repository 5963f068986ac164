"""Finished replicates as Parquet files in one place, local or remote.

    results/<key>-<seed>.parquet       one row: the replicate exists once this file does
    curves/<key>-<seed>.parquet        its metrics per epoch
    predictions/<key>-<seed>.parquet   what its task keeps of the test split
    cache/                             copies of many of these, to open fewer files

Every file is written to a hidden name and moved, so a reader sees all of it or nothing. The cache
may be deleted at any time: a copy counts only while its file is there as it was when read.
What turns out to be damaged is set aside by whoever reads it, and is missing from then on.
"""

import contextlib
import json
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fdsweep.results.records import copies, older
from fdsweep.results.records.copies import Copies, Stamp
from fdsweep.results.records.schema import (
    CURVES,
    KEPT,
    PREDICTIONS,
    REGIONS,
    REPLICATES,
    SAMPLES,
    Replicate,
)
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage, tell_once

if TYPE_CHECKING:
    import pandas as pd

SCHEMAS = {layout.RESULTS: REPLICATES, layout.CURVES: CURVES, layout.PREDICTIONS: PREDICTIONS}
NAME = re.compile(r"(?P<key>[^._].*)-(?P<seed>\d+)\.parquet")
CACHED = pa.schema(
    [("file", pa.string()), ("changed", pa.int64()), ("size", pa.int64()), *REPLICATES]
)
"""Rows of results/, each with its file: name, time of change in ns, and bytes."""

MIN_NEW_ROWS = 200
"""So many rows that the cache lacks are worth writing it anew."""

MAGIC = b"PAR1"
"""How a Parquet file ends."""

NOT_WHOLE, OF_OTHERS = "no whole Parquet file", "it holds no rows of its replicate"
"""Why a file is damaged."""

LOCAL_READERS, REMOTE_READERS = 2, 8
"""Threads: a local file is ready at once, and more than two wait for the interpreter's lock."""

OWNED = ("key", "seed", "status")
"""Whose a row is, and whether it counts: the file's name does not decide it."""

FACTS = ("file", *OWNED)
Fact: TypeAlias = tuple[str, str, int, str]

CHUNK = 64
"""Files that a thread reads before it gives them back as one table."""

REPEATING = ("key", "sample_id", "group")
"""Columns of predictions that hold few different texts many times."""

Rows: TypeAlias = "pa.Table | Sequence[Mapping[str, Any]]"


class Store(Storage):
    """A storage whose replicates can be put, listed and read.

    `create` and `open` say whether the place can be used.

    Example:
        >>> store = Store.create("fdsweep-runs")
        >>> store.put(replicate, curves, predictions)
        True

    Raises:
        StorageError: a URI that pyarrow does not know.
    """

    @classmethod
    def create(cls, root: str) -> "Store":
        """The storage at `root`, made if it is not there, and proved to be writable.

        Raises:
            StorageError: it cannot be made or written.
        """
        store = cls(root)
        for folder in (*SCHEMAS, layout.REPORTS):
            store.make_folder(folder)
        probe = f".writable.{uuid.uuid4().hex}"
        store.write(probe, b"")
        store.delete_file(probe)
        return store

    @classmethod
    def open(cls, root: str) -> "Store":
        """The storage at `root`, to read from.

        Raises:
            StorageError: there is none.
        """
        store = cls(root)
        if not store.is_folder():
            raise StorageError(
                "there is no storage here", root, "Give --storage, or type: fdsweep ablation"
            )
        return store

    def put(self, replicate: Replicate, curves: Rows, predictions: Rows) -> bool:
        """Write one replicate; its row comes last and makes it count.

        The rows of `curves` and `predictions` hold the columns of their schema; `key` and `seed`
        are the replicate's own and may be left out. A task that `schema.KEPT` does not know keeps
        other columns beside those of `schema.SAMPLES`; they are stored as they are. A done
        replicate is never overwritten, a failed one is superseded, and so is a done one that lost
        its curves or predictions, by a done one. Of two writers at the same instant one whole file
        stays.

        Returns:
            False if the replicate was done already, and nothing was written.

        Raises:
            StorageError: the place cannot be written.
        """
        name = layout.replicate_file(replicate.key, replicate.seed)
        tables = {
            layout.CURVES: _owned(curves, CURVES, replicate),
            layout.PREDICTIONS: _kept(predictions, replicate),
        }
        row = {**replicate.model_dump(), "files": [f"{folder}/{name}" for folder in tables]}
        tables[layout.RESULTS] = pa.Table.from_pylist([row], schema=REPLICATES)
        files = self._files_of(name)
        renews = replicate.status == "done" and files is not None and bool(self._gone(files))
        for folder, table in tables.items():
            if not renews and self._files_of(name) is not None:
                return False
            self.write(f"{folder}/{name}", _to_parquet(table))
        return True

    def replicates(self, keys: Collection[str] | None = None) -> "pd.DataFrame":
        """Every readable row of `results/` (of `keys` only, if given), by key and seed.

        Columns are those of the contract, also when there is no row.
        """
        return _to_frame(self._rows(keys))

    def states(self) -> dict[tuple[str, int], str]:
        """(key, seed) -> status of every readable row of `results/`.

        Without pandas, which pyarrow imports as soon as it makes an array of a list.
        """
        stamps = self._stamps(layout.RESULTS)
        kept = self._cache_file()
        facts = [] if kept is None else _holding(kept, stamps)
        known = {file for file, *_ in facts}
        missing = [name for name in _in_order(stamps, None) if name not in known]
        rows, counts = self._tables(layout.RESULTS, missing)
        files = (name for name, count in zip(missing, counts, strict=True) for _ in range(count))
        facts += zip(files, *(rows[column].to_pylist() for column in OWNED), strict=True)
        chosen = [facts[place] for place in _each_once(facts)]
        return {(key, seed): status for _, key, seed, status in chosen}

    def curves(self, keys: Collection[str] | None = None) -> "pd.DataFrame":
        """Metrics per epoch, of `keys` only, if given; columns as in `schema.CURVES`."""
        return _to_frame(
            self._tables(layout.CURVES, _in_order(self._stamps(layout.CURVES), keys))[0]
        )

    def predictions(self, keys: Collection[str] | None = None) -> "pd.DataFrame":
        """What was kept of test samples, of `keys` only, if given.

        Columns are those that the files hold, as in `schema.PREDICTIONS` for a classification and
        where there is none. Texts are categorical: there may be millions of rows.
        """
        stamps = self._stamps(layout.PREDICTIONS)
        names = _in_order(stamps, keys)
        kept = self._copies(stamps)
        missing = [name for name in names if name not in kept.counts]
        table, counts = self._tables(layout.PREDICTIONS, missing)
        fresh = Copies(dict(zip(missing, counts, strict=True)), table)
        is_worth_it = len(missing) >= max(MIN_NEW_ROWS, len(kept.counts) // 10)
        if is_worth_it and table.schema.equals(COPIED):
            together = copies.joined(kept, fresh)
            together = copies.chosen(together, _in_order(together.counts, None))
            self._keep(layout.PREDICTIONS_CACHE, copies.to_bytes(together, stamps))
        asked = [one for one in (kept, fresh) if not one.counts.keys().isdisjoint(names)]
        found = copies.chosen(copies.joined(*(asked or [fresh])), names)
        return _to_frame(found.table)

    def _copies(self, stamps: Mapping[str, Stamp]) -> Copies:
        """Copies of predictions whose files are as they were."""
        nothing = Copies({}, pa.Table.from_batches([], COPIED))
        if not self.exists(layout.PREDICTIONS_CACHE):
            return nothing
        try:
            return copies.from_bytes(self.read(layout.PREDICTIONS_CACHE), COPIED, stamps)
        except StorageError:
            return nothing
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            self.set_aside(layout.PREDICTIONS_CACHE, NOT_WHOLE)
            return nothing

    def finished(self, keys: Collection[str] | None = None) -> set[tuple[str, int]]:
        """(key, seed) of every replicate (of `keys` only, if given) that is done and whole.

        Failed ones are not, nor are those that lost a file: see `lost`.
        """
        rows = self._rows(keys)
        done = rows.filter(pc.equal(rows["status"], "done"))
        who = zip(done["key"].to_pylist(), done["seed"].to_pylist(), strict=True)
        files = dict(zip(who, done["files"].to_pylist(), strict=True))
        return {*files} - self.lost(files)

    def lost(self, done: Mapping[tuple[str, int], Collection[str]]) -> set[tuple[str, int]]:
        """Those of the `done` replicates, (key, seed), that lack one of their `files`.

        Of them is told on stderr. Of their files the ends alone are read, so that damage within is
        not noticed before they are read whole.
        """
        gone = self._gone({place for files in done.values() for place in files})
        lost = {who for who, files in done.items() if not gone.isdisjoint(files)}
        if lost:
            first, more = self.uri(min(gone)), len(gone) - 1
            told = f"{first} and {more} more are" if more else f"{first} is"
            again = f"{len(lost)} replicate{'s' if len(lost) > 1 else ''}"
            tell_once(f"{told} missing; running the sweep trains {again} again.")
        return lost

    def _gone(self, places: Collection[str]) -> set[str]:
        """Those of `places` where there are no whole curves or predictions."""
        stamps = {
            f"{folder}/{name}": stamp
            for folder in (layout.CURVES, layout.PREDICTIONS)
            for name, stamp in self._stamps(folder).items()
        }
        known = self._seen_whole()
        asked = [x for x in places if x in stamps and known.get(x) != stamps[x]]
        with self._readers() as readers:
            ended = dict(zip(asked, readers.map(self._ends_well, asked), strict=True))
        if len(asked) >= max(MIN_NEW_ROWS, len(known) // 10):
            seen = {x: stamp for x, stamp in stamps.items() if ended.get(x, known.get(x) == stamp)}
            self._keep(layout.WHOLE_CACHE, json.dumps(seen).encode())
        return {x for x in places if x not in stamps or not ended.get(x, True)}

    def _seen_whole(self) -> dict[str, Stamp]:
        """Place -> stamp of the files that ended well when they were last looked at."""
        if not self.exists(layout.WHOLE_CACHE):
            return {}
        try:
            told = json.loads(self.read(layout.WHOLE_CACHE))
            return {place: (changed, size) for place, (changed, size) in told.items() if changed}
        except StorageError:
            return {}
        except (ValueError, TypeError, AttributeError):
            self.set_aside(layout.WHOLE_CACHE, "no list of files")
            return {}

    def _ends_well(self, place: str) -> bool:
        """Whether the file at `place` ends as a Parquet file does; else it is set aside."""
        end = self._if_there(lambda: self.read_end(place, len(MAGIC)), place)
        if end not in (None, MAGIC):
            self.set_aside(place, NOT_WHOLE)
        return end == MAGIC

    def _if_there(self, read: Callable[[], bytes], place: str) -> bytes | None:
        """What `read` gives; None if there is no such file, or none any more."""
        try:
            return read()
        except StorageError:
            return read() if self.exists(place) else None  # another process may just have put it

    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(LOCAL_READERS if self.is_local else REMOTE_READERS)

    def _files_of(self, name: str) -> Sequence[str] | None:
        """The other files of the replicate whose row `name` is; None if it is not done."""
        own = NAME.fullmatch(name)
        table = self._content(layout.RESULTS, name) if own else None
        if own is None or table is None:
            return None
        columns = [table[column].to_pylist() for column in (*OWNED, "files")]
        files = {tuple(who): places for *who, places in zip(*columns, strict=True)}
        return files.get((own["key"], int(own["seed"]), "done"))

    def _stamps(self, folder: str) -> dict[str, Stamp]:
        """Name -> time of change in ns, if it is known, and bytes, of each file in `folder`."""
        return {info.base_name: (info.mtime_ns, info.size) for info in self.files(folder)}

    def _rows(self, keys: Collection[str] | None) -> pa.Table:
        """The rows of results/ (of `keys` only, if given)."""
        stamps = self._stamps("results")  # before any file is read: what changes later is not kept
        names = _in_order(stamps, keys)
        kept = self._cached(stamps)
        known = set(kept["file"].to_pylist())
        missing = [name for name in names if name not in known]
        rows, counts = self._tables("results", missing)
        fresh = _stamped(rows, np.repeat(missing, counts).tolist(), stamps)
        lasting = fresh.filter(
            pc.and_(pc.equal(fresh["status"], "done"), pc.is_valid(fresh["changed"]))
        )
        if len(lasting) >= max(MIN_NEW_ROWS, len(kept) // 10):
            self._keep(layout.RESULTS_CACHE, _to_parquet(pa.concat_tables([kept, lasting])))
        together = pa.concat_tables([kept, fresh])
        place = pc.index_in(together["file"], value_set=pa.array(names, pa.string()))
        order = pc.array_sort_indices(place).slice(0, len(place) - place.null_count)
        facts = [*zip(*(together[column].to_pylist() for column in FACTS), strict=True)]
        places = order.to_pylist()
        chosen = [places[i] for i in _each_once([facts[place] for place in places])]
        return together.take(pa.array(chosen, pa.int64())).select(REPLICATES.names)

    def _cached(self, stamps: Mapping[str, Stamp]) -> pa.Table:
        """Rows of the cache whose files are as they were; none if there is no readable cache."""
        table = self._cache_file()
        if table is None:
            return CACHED.empty_table()
        return table.filter(pa.array(_hold(table, stamps), pa.bool_()))

    def _cache_file(self) -> pa.Table | None:
        """All that the cache holds; None if there is no readable one of today's columns."""
        if not self.exists(layout.RESULTS_CACHE):
            return None
        try:
            with pq.ParquetFile(pa.BufferReader(self.read(layout.RESULTS_CACHE))) as file:
                table = file.read()
        except StorageError:
            return None
        except (OSError, pa.ArrowException):
            self.set_aside(layout.RESULTS_CACHE, NOT_WHOLE)
            return None
        return table if table.schema.equals(CACHED) else None

    def _keep(self, place: str, content: bytes) -> None:
        """Write a part of the cache; who may only read goes without."""
        with contextlib.suppress(StorageError):
            self.write(place, content)

    def _content(self, folder: str, name: str) -> pa.Table | None:
        """The table in a file; None if it is damaged, and set aside."""
        place = f"{folder}/{name}"
        content = self._if_there(lambda: self.read(place), place)
        if content is None:
            return None
        try:
            with pq.ParquetFile(pa.BufferReader(content)) as file:
                table = CONFORM[folder](file.read(use_threads=False))
            why = "" if _is_own(table, folder, name) else OF_OTHERS
        except (OSError, ValueError, KeyError, pa.ArrowException):
            why = NOT_WHOLE
        if why:
            self.set_aside(place, why)
        return None if why else table

    def _tables(self, folder: str, names: list[str]) -> tuple[pa.Table, list[int]]:
        """The rows of the files `names`, and how many each gave: a damaged one none."""

        def read(some: list[str]) -> tuple[list[pa.Table], list[int]]:
            tables = [self._content(folder, name) for name in some]
            whole = [table for table in tables if table is not None]
            counts = [0 if table is None else len(table) for table in tables]
            return [_compact(_joined(whole), folder)] if whole else [], counts

        chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
        with self._readers() as readers:
            parts = list(readers.map(read, chunks))
        nothing = _compact(pa.Table.from_batches([], SCHEMAS[folder]), folder)
        whole = [table for tables, _ in parts for table in tables] or [nothing]
        return _joined(whole).unify_dictionaries(), [n for _, counts in parts for n in counts]


def _owned(rows: Rows, schema: pa.Schema, replicate: Replicate) -> pa.Table:
    own = {"key": [replicate.key] * len(rows), "seed": [replicate.seed] * len(rows)}
    for name in schema.names[len(own) :]:
        own[name] = _column(rows, name)
    return pa.table(own, schema=schema)


def _column(rows: Rows, name: str) -> "pa.ChunkedArray | list[object]":
    if isinstance(rows, pa.Table):
        return rows.column(name)
    return [row[name] for row in rows]


def _kept(rows: Rows, replicate: Replicate) -> pa.Table:
    """What the task of `replicate` keeps of test samples, as a table of its own."""
    if replicate.task in KEPT:
        return _owned(rows, KEPT[replicate.task], replicate)
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows))
    return _appended(_owned(table if len(table) else [], SAMPLES, replicate), table)


def _appended(table: pa.Table, other: pa.Table) -> pa.Table:
    """`table` with those columns of `other` that it lacks."""
    for name in other.column_names:
        if name not in table.column_names:
            table = table.append_column(name, other[name])
    return table


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all; a column that one lacks is null there."""
    return pa.concat_tables(tables, promote_options="default")


def _samples(table: pa.Table) -> pa.Table:
    """`table` of `predictions/`: the columns of its task, whatever else it holds behind them."""
    if table.schema.equals(PREDICTIONS):
        return table
    if {"label", "intersection", "union"} <= {*table.column_names}:
        schema = REGIONS
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


CONFORM = {
    layout.RESULTS: lambda table: _conform(older.replicates(table), REPLICATES),
    layout.CURVES: lambda table: _conform(table, CURVES),
    layout.PREDICTIONS: _samples,
}
"""What makes the table in a file of each folder one of today's."""


def _is_own(table: pa.Table, folder: str, name: str) -> bool:
    """Whether the file `name` holds rows of replicates, and of its own beside a result."""
    if folder == layout.RESULTS:
        named = (table[column].null_count for column in ("key", "seed", "files"))
        return len(table) > 0 and not any(named)
    if not len(table):
        return True
    return name == layout.replicate_file(table["key"][0].as_py(), table["seed"][0].as_py())


def _in_order(names: Iterable[str], keys: Collection[str] | None) -> list[str]:
    """Those of `names` that are replicates (of `keys` only, if given), by key and seed."""
    found = [match for match in map(NAME.fullmatch, names) if match]
    if keys is not None:
        chosen = set(keys)
        found = [match for match in found if match["key"] in chosen]
    return [match[0] for match in sorted(found, key=lambda m: (m["key"], int(m["seed"])))]


def _each_once(facts: Sequence[Fact]) -> list[int]:
    """The places of `facts`, one for each (key, seed): a file may be a copy of another.

    A done one goes before one that is not, and a file of the row's own name before others.
    """
    chosen: dict[tuple[str, int], tuple[bool, bool, int]] = {}
    for place, (file, key, seed, status) in enumerate(facts):
        rank = (status == "done", file == layout.replicate_file(key, seed), place)
        best = chosen.get((key, seed))
        if best is None or rank[:2] > best[:2]:
            chosen[key, seed] = rank
    return [place for *_, place in chosen.values()]


def _hold(kept: pa.Table, stamps: Mapping[str, Stamp]) -> list[bool]:
    """For each row of the cache whether its file is as it was."""
    told = zip(*(kept[name].to_pylist() for name in CACHED.names[:3]), strict=True)
    return [stamps.get(name) == (changed, size) for name, changed, size in told]


def _holding(kept: pa.Table, stamps: Mapping[str, Stamp]) -> list[Fact]:
    """The facts of the rows of the cache whose files are as they were."""
    facts = zip(*(kept[column].to_pylist() for column in FACTS), strict=True)
    return [fact for fact, holds in zip(facts, _hold(kept, stamps), strict=True) if holds]


def _stamped(rows: pa.Table, names: Sequence[str], stamps: Mapping[str, Stamp]) -> pa.Table:
    """`rows` as lines of the cache, the file of each being in `names`."""
    changed, sizes = [stamps[name][0] for name in names], [stamps[name][1] for name in names]
    return pa.table([list(names), changed, sizes, *rows.columns], schema=CACHED)


def _compact(table: pa.Table, folder: str) -> pa.Table:
    """`table` in one piece, and in few bytes where texts repeat."""
    if folder == "predictions":
        for column in REPEATING:
            place = table.column_names.index(column)
            table = table.set_column(place, column, table[column].dictionary_encode())
    return table.combine_chunks()


COPIED = _compact(pa.Table.from_batches([], PREDICTIONS), layout.PREDICTIONS).schema
"""Columns of the copies of predictions: those of a classification."""


def _to_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_dictionary=len(table) > 1, write_statistics=len(table) > 1)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _to_frame(table: pa.Table) -> "pd.DataFrame":
    frame: pd.DataFrame = table.to_pandas()  # brings pandas, slow to import
    return frame
