"""A user's own data set: a table with a row per sample, described in a YAML file.

takes   a CSV or Parquet file, or a saved data set of Hugging Face's (`arrow`), with columns for
        sample_id, label (or labels, mask, or none for a retrieval), perhaps group and split, and
        one per modality: a path, or a text itself
yields  what the kind of each column makes of it (`columns`)
splits  those of the table, else groups apart, 65 / 15 / 20 %, or folds that rotate with the seed

It has no module of its own: what it is stands in the manifest of what was prepared, so that every
command and every worker finds it by its name, without the description.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.datasets import HERE, DataLocation, registry

if TYPE_CHECKING:
    from fdsweep.trainers.datasets.table.importer import Table

NAME = r"^[a-z0-9][a-z0-9-]*$"
"""Of a data set."""


def find(name: str, location: DataLocation = HERE) -> Table | None:
    """The table that was prepared as `name`; None if none was.

    Raises:
        DataError: its manifest cannot be read.
    """
    if not re.fullmatch(NAME, name) or not Storage(location.storage).exists(
        layout.data_manifest(name)
    ):
        return None
    from fdsweep.trainers.datasets.table.importer import Table  # much to import
    from fdsweep.trainers.preparation.manifest import load_manifest, prepare_table

    try:
        manifest = load_manifest(location.storage, name)
    except DataError as error:
        raise DataError(error.what, error.where, f"Type: {prepare_table(name)}") from None
    if manifest.declared is None:
        return None
    table = Table(location, name, manifest.declared)
    vars(table)["manifest"] = manifest  # which is cached there, and was read just now
    return table


def names(storage: str) -> tuple[str, ...]:
    """Names of the tables that were prepared in `storage`, in order."""
    kept = Storage(storage)
    return tuple(
        name
        for name in sorted(kept.folders(layout.DATA))
        if name not in registry
        and re.fullmatch(NAME, name)
        and kept.exists(layout.data_manifest(name))
    )
