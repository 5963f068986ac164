"""What was computed of a sweep, kept in the storage's cache for as long as it holds.

It is known by all that it depends on: the sweep's record, the seeds, the files of its replicates as
they are, its teachers' scores, its networks' costs, fdsweep's own text, and the packages that
compute. The copy's first line has the key of that, and a copy with another one is made anew.
Nothing is lost with it.
"""

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from pydantic import ConfigDict, ValidationError

from fdsweep.results.compute.effects import Effects
from fdsweep.results.compute.tables import NetworkRow, Table
from fdsweep.results.records.costs import Costs
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.store import Store, cache, files
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.code import code_key
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.records import Record

PACKAGES = ("numpy", "pandas", "pyarrow", "scipy")


class Computed(Record):
    """The table of a sweep, the effects of its crossed switches, if there are any, its networks."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    table: Table
    effects: Effects | None
    networks: tuple[NetworkRow, ...]


def look_up(
    store: Store,
    manifest: Manifest,
    seeds: Sequence[int],
    teachers: Mapping[str, Sequence[float]],
    costs: Costs,
    compute: Callable[[], tuple[Computed, bool]],
) -> Computed:
    """What `compute` gives, or gave when all was as it is now.

    Args:
        store: whose cache holds it.
        manifest: the sweep's.
        seeds: that it is computed over.
        teachers: modality -> test scores of its teachers.
        costs: of its networks.
        compute: computes it from the storage, and says whether that is all there is to say.

    Raises:
        StorageError: what `compute` reads cannot be read.
    """
    some = None if tuple(seeds) == manifest.seeds else list(seeds)
    place = layout.computed(manifest.sweep, content_key(seeds=some))
    records = f"{manifest.model_dump_json()} {costs.model_dump_json()}"
    given = f"{records} {some} {sorted(teachers.items())} {code_key()} {_versions()}"
    made_of = _key(store, manifest, given)
    known = _read(store, place, made_of)
    if known:
        return known
    found, is_all = compute()
    if is_all and made_of:  # what has changed since has another key
        _keep(store, place, made_of, found)
    return found


def _versions() -> str:
    return f"{platform.python_version()} {[version(name) for name in PACKAGES]}"


def _key(store: Store, manifest: Manifest, given: str) -> str:
    """The key of what is `given` and of the files of replicates; "" where no time is known."""
    keys = {row.key for row in manifest.rows}
    digest = hashlib.sha256(given.encode())
    for folder in (layout.RESULTS, layout.CURVES, layout.PREDICTIONS):
        stamps = files.stamps(store, folder).items()
        own = [(name, *stamp) for name, stamp in stamps if name.rpartition("-")[0] in keys]
        if not all(changed for _, changed, _ in own):
            return ""
        digest.update(f"{folder} {sorted(own)}".encode())
    return digest.hexdigest()


def _read(store: Store, place: str, made_of: str) -> Computed | None:
    if not made_of or not store.exists(place):
        return None
    try:
        head, _, content = store.read(place).partition(b"\n")
        return Computed.model_validate_json(content) if head.decode() == made_of else None
    except StorageError:
        return None
    except (ValidationError, UnicodeDecodeError):
        store.set_aside(place, "no table that was computed")
        return None


def _keep(store: Store, place: str, made_of: str, found: Computed) -> None:
    """Write `found`, if it is the same when it is read."""
    content = found.model_dump_json()
    if Computed.model_validate_json(content).model_dump_json() == content:
        cache.keep(store, place, f"{made_of}\n{content}".encode())
