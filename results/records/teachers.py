"""What the storage knows of trained teachers beside their weights."""

import json

from fdsweep.results.records.older import SCORES
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError


def test_score(store: Store, key: str, seed: int) -> float:
    """A teacher's score on test, a fraction; StorageError if its record cannot be read.

    An older fdsweep wrote it under another name.
    """
    place = layout.teacher_record(key, seed)
    try:
        record = json.loads(store.read(place))
        named = {SCORES.get(name, name): value for name, value in record.items()}
        return float(named["test_score"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"is no teacher's record ({error})", store.uri(place)) from None
