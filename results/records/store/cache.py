"""When a part of the cache is written, which may be deleted at any time."""

import contextlib

from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

MIN_NEW = 200
"""So many files that the cache lacks are worth writing it anew."""


def is_worth_it(new: int, known: int) -> bool:
    """Whether `new` rows or files beside the `known` ones are worth writing all anew."""
    return new >= max(MIN_NEW, known // 10)


def keep(storage: Storage, place: str, content: bytes) -> None:
    """Write a part of the cache; who may only read goes without."""
    with contextlib.suppress(StorageError):
        storage.write(place, content)
