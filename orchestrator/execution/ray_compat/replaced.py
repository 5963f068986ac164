"""Something of Ray's replaced for a while."""

import contextlib
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def replaced(place: ModuleType | type, name: str, stand_in: object) -> Iterator[None]:
    """Inside, `stand_in` is what `place` has under `name`."""
    found = getattr(place, name)
    setattr(place, name, stand_in)
    try:
        yield
    finally:
        setattr(place, name, found)
