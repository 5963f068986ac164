"""Rows of predictions/: of copies where their files are as they were, else of the files."""

from collections.abc import Collection, Mapping

import pyarrow as pa

from fdsweep.results.records.schema import PREDICTIONS
from fdsweep.results.records.store import cache, copies, files, tables
from fdsweep.results.records.store.copies import Copies
from fdsweep.results.records.store.files import Stamp
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

COPIED = pa.schema(
    field.with_type(pa.dictionary(pa.int32(), field.type))
    if field.name in tables.REPEATING
    else field
    for field in PREDICTIONS
)
"""Columns of the copies of predictions: those of a classification."""


def samples(storage: Storage, keys: Collection[str] | None) -> pa.Table:
    """What was kept of test samples (of `keys` only, if given), by key and seed."""
    stamps = files.stamps(storage, layout.PREDICTIONS)
    names = files.in_order(stamps, keys)
    kept = _kept(storage, stamps)
    missing = [name for name in names if name not in kept.counts]
    table, counts = files.read_all(storage, layout.PREDICTIONS, missing)
    fresh = Copies(dict(zip(missing, counts, strict=True)), table)
    if cache.is_worth_it(len(missing), len(kept.counts)) and table.schema.equals(COPIED):
        together = copies.joined(kept, fresh)
        together = copies.chosen(together, files.in_order(together.counts, None))
        cache.keep(storage, layout.PREDICTIONS_CACHE, copies.to_bytes(together, stamps))
    asked = [one for one in (kept, fresh) if not one.counts.keys().isdisjoint(names)]
    return copies.chosen(copies.joined(*(asked or [fresh])), names).table


def _kept(storage: Storage, stamps: Mapping[str, Stamp]) -> Copies:
    """Copies of predictions whose files are as they were."""
    nothing = Copies({}, pa.Table.from_batches([], COPIED))
    if not storage.exists(layout.PREDICTIONS_CACHE):
        return nothing
    try:
        return copies.from_bytes(storage.read(layout.PREDICTIONS_CACHE), COPIED, stamps)
    except StorageError:
        return nothing
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        storage.set_aside(layout.PREDICTIONS_CACHE, files.NOT_WHOLE)
        return nothing
