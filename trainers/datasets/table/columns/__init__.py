"""Kinds of columns: what a table's cells are, and how they become a modality of a data set.

A kind is a class in one of the modules here, and stands in `KINDS`. Its fields are what a person
may say of it in a description.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.fields import refusal
from fdsweep.trainers.datasets.table.columns.base import Column
from fdsweep.trainers.datasets.table.columns.pictures import Depth, Picture, Scene, Video
from fdsweep.trainers.datasets.table.columns.signals import Signal
from fdsweep.trainers.datasets.table.columns.sound import Audio, Wave
from fdsweep.trainers.datasets.table.columns.texts import Text, TextFile

__all__ = ["KINDS", "Column", "Text", "make_column"]

KINDS: dict[str, type[Column]] = {
    kind.kind: kind for kind in (Audio, Wave, Video, Picture, Signal, Text, TextFile, Scene, Depth)
}


def make_column(said: Mapping[str, Any], where: str) -> Column:
    """The column that `said` describes: its `kind`, and fields of that kind.

    Raises:
        ConfigError: no such kind, or a field that is misspelt or wrong; `where` says of what.
    """
    fields = {name: value for name, value in said.items() if name != "kind"}
    name = said.get("kind")
    if not isinstance(name, str):
        raise ConfigError("says no kind", where, f"Give a kind: one of {', '.join(KINDS)}")
    if name not in KINDS:
        raise unknown("kind", name, KINDS, where)
    try:
        return KINDS[name].model_validate(fields)
    except ValidationError as error:
        raise refusal(error, where, KINDS[name], {}) from None
