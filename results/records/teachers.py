"""What the storage knows of trained teachers beside their weights."""

import json
from collections.abc import Iterable

from fdsweep.results.records.older import SCORES
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError, first_line


def find_score(store: Store, key: str, seed: int) -> float | None:
    """A teacher's score on test, a fraction; None if there is no record, or only a damaged one.

    An older fdsweep wrote it under another name.
    """
    place = layout.teacher_record(key, seed)
    if not store.exists(place):
        return None
    try:
        record = json.loads(store.read(place))
        named = {SCORES.get(name, name): value for name, value in record.items()}
        return float(named["test_score"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        store.set_aside(place, f"no teacher's record: {first_line(error)}")
        return None


def unrecorded(store: Store, key: str, seeds: Iterable[int]) -> tuple[int, ...]:
    """Those of `seeds` whose network `key` is in the storage without its record."""
    return tuple(
        seed
        for seed in seeds
        if find_score(store, key, seed) is None and store.exists(layout.teacher_weights(key, seed))
    )


def test_score(store: Store, key: str, seed: int) -> float:
    """The same where there must be a record; StorageError if there is none."""
    score = find_score(store, key, seed)
    if score is None:
        place = store.uri(layout.teacher_record(key, seed))
        raise StorageError("the network's record is gone", place, "Run the same command again")
    return score
