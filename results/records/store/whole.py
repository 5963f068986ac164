"""Whether files beside a replicate's row are there and whole, as far as their ends tell."""

import itertools
import json
from collections.abc import Collection

from fdsweep.results.records.store import cache, files
from fdsweep.results.records.store.files import Stamp
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

MAGIC = b"PAR1"
"""How a Parquet file ends."""


def gone(storage: Storage, places: Collection[str]) -> set[str]:
    """Those of `places` where there are no whole curves or predictions.

    Of files that were not looked at before, as they are, the end is read.
    """
    stamps = {
        f"{folder}/{name}": stamp
        for folder in layout.BESIDE
        for name, stamp in files.stamps(storage, folder).items()
    }
    known = _seen(storage)
    asked = [x for x in places if x in stamps and known.get(x) != stamps[x]]

    def read(some: list[str]) -> list[bool]:
        return [_ends_well(storage, place) for place in some]

    with files.readers(storage) as readers:
        found = itertools.chain.from_iterable(readers.map(read, files.chunks(asked)))
        ended = dict(zip(asked, found, strict=True))
    if cache.is_worth_it(len(asked), len(known)):
        seen = {x: stamp for x, stamp in stamps.items() if ended.get(x, known.get(x) == stamp)}
        cache.keep(storage, layout.WHOLE_CACHE, json.dumps(seen).encode())
    return {x for x in places if x not in stamps or not ended.get(x, True)}


def _seen(storage: Storage) -> dict[str, Stamp]:
    """Place -> stamp of the files that ended well when they were last looked at."""
    if not storage.exists(layout.WHOLE_CACHE):
        return {}
    try:
        told = json.loads(storage.read(layout.WHOLE_CACHE))
        return {place: (changed, size) for place, (changed, size) in told.items() if changed}
    except StorageError:
        return {}
    except (ValueError, TypeError, AttributeError):
        storage.set_aside(layout.WHOLE_CACHE, "no list of files")
        return {}


def _ends_well(storage: Storage, place: str) -> bool:
    """Whether the file at `place` ends as a Parquet file does; else it is set aside."""
    end = files.if_there(storage, lambda: storage.read_end(place, len(MAGIC)), place)
    if end not in (None, MAGIC):
        storage.set_aside(place, files.NOT_WHOLE)
    return end == MAGIC
