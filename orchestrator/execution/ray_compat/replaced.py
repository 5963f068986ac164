"""Something of Ray's replaced for a while."""

import contextlib
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def replaced(module: ModuleType, name: str, stand_in: object) -> Iterator[None]:
    """Inside, `stand_in` is what `module` finds under `name`."""
    found = getattr(module, name)
    setattr(module, name, stand_in)
    try:
        yield
    finally:
        setattr(module, name, found)
