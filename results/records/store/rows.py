"""Rows of results/, each once: of a cached copy where its file is as it was, else of the file."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.results.records.schema import REPLICATES
from fdsweep.results.records.store import cache, files, tables
from fdsweep.results.records.store.files import Stamp
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

CACHED = pa.schema(
    [("file", pa.string()), ("changed", pa.int64()), ("size", pa.int64()), *REPLICATES]
)
"""Rows of results/, each with its file: name, time of change in ns, and bytes."""

OWNED = ("key", "seed", "status")
"""Whose a row is, and whether it counts: the file's name does not decide it."""

FACTS = ("file", *OWNED)
Fact: TypeAlias = tuple[str, str, int, str]

COST = ("wall_seconds", "devices")


class State(NamedTuple):
    """The status of a replicate, and the seconds that it took of devices."""

    status: str
    device_seconds: float


def rows(storage: Storage, keys: Collection[str] | None) -> pa.Table:
    """The rows of results/ (of `keys` only, if given), by key and seed."""
    import pyarrow.compute as pc  # slow to import

    # Stamps come before a file is read: what changes later is not kept.
    stamps = files.stamps(storage, layout.RESULTS)
    names = files.in_order(stamps, keys)
    kept = _cached(storage, stamps)
    known = set(kept["file"].to_pylist())
    missing = [name for name in names if name not in known]
    read, counts = files.read_all(storage, layout.RESULTS, missing)
    fresh = _stamped(read, np.repeat(missing, counts).tolist(), stamps)
    lasting = fresh.filter(
        pc.and_(pc.equal(fresh["status"], "done"), pc.is_valid(fresh["changed"]))
    )
    if cache.is_worth_it(len(lasting), len(kept)):
        together = pa.concat_tables([kept, lasting])
        cache.keep(storage, layout.RESULTS_CACHE, tables.to_parquet(together))
    together = pa.concat_tables([kept, fresh])
    place = pc.index_in(together["file"], value_set=pa.array(names, pa.string()))
    order = pc.array_sort_indices(place).slice(0, len(place) - place.null_count)
    facts = [*zip(*(together[column].to_pylist() for column in FACTS), strict=True)]
    places = order.to_pylist()
    chosen = [places[i] for i in _each_once([facts[place] for place in places])]
    return together.take(pa.array(chosen, pa.int64())).select(REPLICATES.names)


def states(storage: Storage) -> dict[tuple[str, int], State]:
    """(key, seed) -> state of every readable row of results/.

    Without pandas, which pyarrow imports as soon as it makes an array of a list.
    """
    stamps = files.stamps(storage, layout.RESULTS)
    kept = _cache_file(storage)
    facts = [] if kept is None else _holding(kept, stamps)
    known = {file for file, *_ in facts}
    missing = [name for name in files.in_order(stamps, None) if name not in known]
    read, counts = files.read_all(storage, layout.RESULTS, missing)
    names = (name for name, count in zip(missing, counts, strict=True) for _ in range(count))
    facts += zip(names, *(read[column].to_pylist() for column in (*OWNED, *COST)), strict=True)
    chosen = [facts[place] for place in _each_once([(*fact[:4],) for fact in facts])]
    return {
        (key, seed): State(status, (seconds or 0.0) * (devices or 1.0))
        for _, key, seed, status, seconds, devices in chosen
    }


def files_of(storage: Storage, name: str) -> Sequence[str] | None:
    """The other files of the replicate whose row `name` is; None if it is not done."""
    own = files.NAME.fullmatch(name)
    table = files.content(storage, layout.RESULTS, name) if own else None
    if own is None or table is None:
        return None
    columns = [table[column].to_pylist() for column in (*OWNED, "files")]
    found = {tuple(who): places for *who, places in zip(*columns, strict=True)}
    return found.get((own["key"], int(own["seed"]), "done"))


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


def _cached(storage: Storage, stamps: Mapping[str, Stamp]) -> pa.Table:
    """Rows of the cache whose files are as they were; none if there is no readable cache."""
    table = _cache_file(storage)
    if table is None:
        return CACHED.empty_table()
    return table.filter(pa.array(_hold(table, stamps), pa.bool_()))


def _cache_file(storage: Storage) -> pa.Table | None:
    """All that the cache holds; None if there is no readable one of today's columns."""
    if not storage.exists(layout.RESULTS_CACHE):
        return None
    try:
        with pq.ParquetFile(pa.BufferReader(storage.read(layout.RESULTS_CACHE))) as file:
            table = file.read(use_threads=False)
    except StorageError:
        return None
    except (OSError, pa.ArrowException):
        storage.set_aside(layout.RESULTS_CACHE, files.NOT_WHOLE)
        return None
    return table if table.schema.equals(CACHED) else None


def _hold(kept: pa.Table, stamps: Mapping[str, Stamp]) -> list[bool]:
    """For each row of the cache whether its file is as it was."""
    told = zip(*(kept[name].to_pylist() for name in CACHED.names[:3]), strict=True)
    return [stamps.get(name) == (changed, size) for name, changed, size in told]


def _holding(kept: pa.Table, stamps: Mapping[str, Stamp]) -> list[tuple[Any, ...]]:
    """The facts, and what it cost, of the rows of the cache whose files are as they were."""
    facts = zip(*(kept[column].to_pylist() for column in (*FACTS, *COST)), strict=True)
    return [fact for fact, holds in zip(facts, _hold(kept, stamps), strict=True) if holds]


def _stamped(read: pa.Table, names: Sequence[str], stamps: Mapping[str, Stamp]) -> pa.Table:
    """`read` as lines of the cache, the file of each being in `names`."""
    changed, sizes = [stamps[name][0] for name in names], [stamps[name][1] for name in names]
    return pa.table([list(names), changed, sizes, *read.columns], schema=CACHED)
