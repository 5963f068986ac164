"""What the storage knows of trained teachers beside their weights."""

import json

from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import StorageError


def record_place(key: str, seed: int) -> str:
    """Where the record of a teacher stands, below the root of the storage."""
    return f"teachers/{key}/{seed}.json"


def test_accuracy(store: Store, key: str, seed: int) -> float:
    """A teacher's test accuracy, a fraction; StorageError if its record cannot be read."""
    place = record_place(key, seed)
    try:
        return float(json.loads(store.read_text(place))["test_accuracy"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"is no teacher's record ({error})", store.path(place)) from None
