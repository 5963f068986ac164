"""`fdsweep gc`: what lies in a storage and no sweep of it names.

A sweep names a configuration, a network or a checkpoint by the key in its records or, of
checkpoints, in the configurations of its rows. To be rid of a sweep, delete its folder below
`reports/`: what it alone named is waste from then on.
"""

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fdsweep.orchestrator.bulletins.hearing import hear
from fdsweep.results.records import costs
from fdsweep.results.records.manifest import list_sweeps
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import DAMAGED

KEY = re.compile(r"[0-9a-f]{16,64}")
"""How keys and digests are spelt."""

WORDS = {
    "replicates": "rows, curves and predictions",
    "teachers": "weights of teachers",
    "students": "kept students",
    "checkpoints": "pretrained weights",
    "interrupted": "checkpoints of trainings that no sweep goes on with",
    "cache": "what was computed of sweeps that are gone",
    "damaged": "files that were set aside",
}
"""By kind of waste: what it is."""

Files = Mapping[str, int]
"""Place -> bytes."""


@dataclass(frozen=True, slots=True)
class Waste:
    """Files that no sweep needs, by kind."""

    kinds: Mapping[str, Files] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(sum(files.values()) for files in self.kinds.values())

    @property
    def count(self) -> int:
        """Number of files."""
        return sum(len(files) for files in self.kinds.values())


def find(store: Store) -> Waste:
    """What no sweep of `store` names.

    Raises:
        StorageError: it cannot be read.
    """
    named = _named(store)
    files = {folder: store.sizes(folder) for folder in layout.FOLDERS}
    kinds = {
        "replicates": {
            place: size
            for folder in reversed(layout.REPLICATES)
            for place, size in files[folder].items()
            if not named.issuperset(KEY.findall(place))
        },
        **{
            kind: _unnamed(files[folder], named)
            for kind, folder in (
                ("teachers", layout.TEACHERS),
                ("students", layout.STUDENTS),
            )
        },
        "interrupted": {
            place: size
            for place, size in files[layout.RAY].items()
            if named.isdisjoint(KEY.findall(place))
        },
        "checkpoints": _unnamed(files[layout.CHECKPOINTS], named | _checkpoints(store, named)),
        "cache": dict(_of_gone(store, files[layout.OUTLINES], files[layout.TABLES])),
        "damaged": files[DAMAGED],
    }
    return Waste({kind: found for kind, found in kinds.items() if found})


def delete(store: Store, waste: Waste) -> None:
    """Delete `waste`; of a replicate the row goes first, which makes it count.

    Raises:
        StorageError: a driver is at work on the storage, or a file cannot be deleted.
    """
    working = [one for one in hear(store) if not one.is_past]
    if working:
        what = f"a driver is at work here ({working[0].who}), and may need what no sweep names yet"
        raise StorageError(what, store.root, "Wait for its end: fdsweep status --watch")
    for files in waste.kinds.values():
        for place in files:
            if store.exists(place):
                store.delete_file(place)
    for folder in (layout.TEACHERS, layout.STUDENTS, layout.RAY_TRAIN):
        for name in store.folders(folder):
            if not store.sizes(f"{folder}/{name}"):
                store.delete_folder(f"{folder}/{name}")


def _named(store: Store) -> set[str]:
    """Every key that stands in a record of a sweep, or of an analysis: costs may be of old keys."""
    files = store.listing(layout.REPORTS)
    records = (x for x in files if x.endswith(".json") and not x.endswith(f"/{costs.FILE.name}"))
    return {key for place in records for key in KEY.findall(store.read_text(place))}


def _checkpoints(store: Store, named: set[str]) -> set[str]:
    """Every digest in the configuration of a row that is named."""
    rows = store.replicates()
    kept = rows[rows["key"].isin(named)]
    return {digest for text in set(kept["config"]) for digest in KEY.findall(text)}


def _unnamed(files: Files, named: set[str]) -> Files:
    """Those of `files` in whose place a key stands that is not `named`."""
    return {
        place: size
        for place, size in files.items()
        if (keys := KEY.findall(place)) and named.isdisjoint(keys)
    }


def _of_gone(store: Store, outlines: Files, tables: Files) -> Iterator[tuple[str, int]]:
    """Outlines and tables of sweeps that are not there."""
    sweeps = set(list_sweeps(store))
    for place, size in tables.items():
        if posixpath.basename(posixpath.dirname(place)) not in sweeps:
            yield place, size
    for place, size in outlines.items():
        try:
            sweep = json.loads(store.read(place))["manifest"]["sweep"]
        except (ValueError, KeyError, TypeError):
            sweep = None
        if sweep not in sweeps:
            yield place, size


def to_text(waste: Waste, *, deleted: bool) -> str:
    """What there is, for a person."""
    lines = [
        f"{kind}: {len(files):,} files, {sum(files.values()) / 1e6:,.1f} MB ({WORDS[kind]})"
        for kind, files in waste.kinds.items()
    ]
    total = f"{waste.count:,} files, {waste.size / 1e6:,.1f} MB"
    if not waste.count:
        return "Every file here is named by a sweep."
    return "\n".join([*lines, f"{'Deleted' if deleted else 'In all'}: {total}"])


def to_json(waste: Waste, *, deleted: bool) -> dict[str, object]:
    """What there is, as a document."""
    return {
        "schema": "fdsweep.gc/1",
        "deleted": deleted,
        "waste": [
            {"kind": kind, "files": sorted(files), "bytes": sum(files.values())}
            for kind, files in waste.kinds.items()
        ],
    }
