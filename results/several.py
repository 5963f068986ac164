"""Sweeps that a person names together, wherever they are stored: their comparison."""

from collections.abc import Mapping, Sequence

from fdsweep.results.compute.differences import Differences, Side, differences
from fdsweep.results.compute.pooled import Pooled, Source, pool
from fdsweep.results.document import SweepData
from fdsweep.results.formats.several.pooled import to_csv, to_html, to_json, to_latex, to_markdown
from fdsweep.results.records.store import Store
from fdsweep.results.report import FORMATS, load
from fdsweep.search_spaces.errors import ConfigError, public, unknown

WRITERS = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv, "json": to_json}
BETWEEN = "#"
"""Stands between a storage and a sweep of it."""


def load_several(places: Sequence[str], storage: str) -> dict[str, SweepData]:
    """The sweeps at `places`: name -> data, the name being the place itself where two are alike.

    A place is a sweep of `storage` (its name, its beginning, "last") or STORAGE#SWEEP.

    Raises:
        ConfigError: no such sweep, or the same one twice.
        StorageError: a storage holds no sweep, or cannot be read.
    """
    found = [_load(place, storage) for place in places]
    names = [data.manifest.sweep for data in found]
    wheres = [(data.stored.store.root, data.manifest.sweep) for data in found]
    for place, where in zip(places, wheres, strict=True):
        if wheres.count(where) > 1:
            raise ConfigError("the same sweep is given twice", place, "Give different ones")
    return {
        public(place) if names.count(name) > 1 else name: data
        for place, name, data in zip(places, names, found, strict=True)
    }


def _load(place: str, storage: str) -> SweepData:
    root, between, sweep = place.rpartition(BETWEEN)
    return load(Store.open(root if between else storage), sweep or None)


def compare(sweeps: Mapping[str, SweepData]) -> Pooled:
    """The comparison of `sweeps`, by their names.

    Raises:
        ConfigError: they differ in metric, protocol or baseline.
        StorageError: a storage cannot be read.
    """
    return pool(
        [
            Source(name=name, manifest=data.manifest, table=data.table, cells=data.cells)
            for name, data in sweeps.items()
        ]
    )


def looks(sweeps: Mapping[str, SweepData]) -> dict[str, int]:
    """Places of all rows and methods among the looks of pictures."""
    return {name: place for data in sweeps.values() for name, place in data.manifest.looks.items()}


def to_text(pooled: Pooled, form: str, pictures: Mapping[str, bytes] | None = None) -> str:
    """`pooled` in one of report's `FORMATS`; only html has `pictures`.

    Raises:
        ConfigError: another format.
    """
    if form == "html":
        return to_html(pooled, pictures or {})
    if form not in WRITERS:
        raise unknown("format", form, FORMATS, "--format")
    return WRITERS[form](pooled)


def difference(sweeps: Mapping[str, SweepData]) -> Differences:
    """What two `sweeps` differ in, the second against the first.

    Raises:
        StorageError: a storage cannot be read.
    """
    first, second = (
        Side(
            name=name,
            manifest=data.manifest,
            replicates=data.replicates,
            table=data.table,
            cells=data.cells,
        )
        for name, data in sweeps.items()
    )
    return differences(first, second)
