"""What the storage knows of trained teachers beside their weights."""

import json

from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError


def test_accuracy(store: Store, key: str, seed: int) -> float:
    """A teacher's test accuracy, a fraction; StorageError if its record cannot be read."""
    place = layout.teacher_record(key, seed)
    try:
        return float(json.loads(store.read_text(place))["test_accuracy"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"is no teacher's record ({error})", store.uri(place)) from None
