"""`fdsweep import`: the rows of an archive of `fdsweep export`, taken into a storage."""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fdsweep.orchestrator.upkeep.export import RECORDS, STORAGE
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import DataError, first_line
from fdsweep.search_spaces.storage import Storage

NAME = r"[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*"
PLACES = re.compile(
    rf"(?:{'|'.join(layout.REPLICATES)})/{NAME}\.parquet|teachers/{NAME}/\d+\.json"
    rf"|{layout.REPORTS}/{NAME}/(?:{'|'.join(map(re.escape, RECORDS))})"
)
"""What is taken from an archive, and nothing else."""

FIX = "Give an archive that `fdsweep export` wrote"


@dataclass(frozen=True, slots=True)
class Imported:
    """The sweep of an archive, and how many replicates were `new` here, or `known` before."""

    sweep: str
    new: int
    known: int


def take_in(archive: Path, store: Store) -> Imported:
    """Put what `archive` holds into `store`; a replicate that is done there stays as it is.

    Raises:
        DataError: it is no archive of one sweep, or is damaged.
        StorageError: the storage cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        _unpack(archive, Storage(folder))
        theirs = Store(folder)
        found = manifests.list_sweeps(theirs)
        if len(found) != 1:
            raise DataError(f"holds {len(found)} sweeps, not one", str(archive), FIX)
        manifest = manifests.load(theirs, found[0])
        return _merge(theirs, manifest, store)


def _merge(theirs: Store, manifest: manifests.Manifest, store: Store) -> Imported:
    done = {who for who, state in theirs.states().items() if state.status == "done"}
    ours = {who for who, state in store.states().items() if state.status == "done"}
    for who in sorted(done - ours):
        for folder in layout.REPLICATES:
            _copy(f"{folder}/{layout.replicate_file(*who)}", theirs, store)
    for place in _records(theirs, manifest.sweep):
        if not store.exists(place):
            _copy(place, theirs, store)
    manifests.add(store, manifest)
    return Imported(manifest.sweep, len(done - ours), len(done & ours))


def _records(theirs: Store, sweep: str) -> Iterator[str]:
    yield from sorted(theirs.listing(layout.TEACHERS))
    own = layout.report_file(sweep, manifests.FILE.name)
    yield from (place for place in sorted(theirs.listing(layout.REPORTS)) if place != own)


def _copy(place: str, theirs: Store, store: Store) -> None:
    if theirs.exists(place):
        store.write(place, theirs.read(place))


def _unpack(archive: Path, into: Storage) -> None:
    """Write what stands below `<sweep>/storage/` in `archive`, as far as it is in its place."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                _, _, place = entry.filename.partition(f"/{STORAGE}/")
                if PLACES.fullmatch(place):
                    into.write(place, opened.read(entry))
    except FileNotFoundError:
        raise DataError("there is no such file", str(archive), FIX) from None
    except (
        *(OSError, EOFError, RuntimeError, NotImplementedError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise DataError(f"cannot be read ({first_line(error)})", str(archive), FIX) from None
