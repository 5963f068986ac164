"""The one spelling of a configuration, and the content key taken from it."""

import dataclasses
import hashlib
import json
import math
from typing import Any

from fdsweep.search_spaces.errors import ConfigError

ABSENT_IF_UNSET = "absent if unset"
CHANGES_NO_NUMBER = "changes no number"


def canonical(value: object, where: str = "config") -> object:
    """`value` in JSON types with one spelling.

    Dataclasses become dictionaries and tuples lists. 1 and 1.0 spell differently: validated
    models make the type certain before a key is taken. A dataclass's fields that are marked
    ABSENT_IF_UNSET are left out while they have their default, those marked CHANGES_NO_NUMBER
    always, and one with a method `key_fields` says itself what is spelt, so that adding a field
    leaves the keys of what is stored as they are.

    Raises:
        ConfigError: `value` holds something without a stable spelling (NaN, a set, an object).
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = _fields(value)
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: canonical(item, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ConfigError(f"a {type(value).__name__} has no stable spelling", where, "Use plain values")


def _fields(value: Any) -> dict[str, object]:
    if hasattr(value, "key_fields"):
        spelt: dict[str, object] = value.key_fields()
        return spelt
    return told_fields(value)


def told_fields(value: Any) -> dict[str, object]:
    """The fields of a dataclass that are spelt: all but those that are absent if unset, and are."""
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if _told(f, value)}


def _told(field: "dataclasses.Field[object]", value: Any) -> bool:
    if field.metadata.get(CHANGES_NO_NUMBER, False):
        return False
    factory = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    unset = field.metadata.get(ABSENT_IF_UNSET, False) and getattr(value, field.name) == default
    return not unset


def spell(value: object) -> str:
    """The canonical JSON text of `value`."""
    return json.dumps(canonical(value), sort_keys=True)


def content_key(**parts: object) -> str:
    """Name of a result: 20 hex digits of sha256 over everything that decides its numbers."""
    return hashlib.sha256(spell(parts).encode()).hexdigest()[:20]
