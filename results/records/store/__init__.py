"""Finished replicates as Parquet files in one place, local or remote.

    results/<key>-<seed>.parquet       one row: the replicate exists once this file does
    curves/<key>-<seed>.parquet        its metrics per epoch
    predictions/<key>-<seed>.parquet   what its task keeps of the test split
    cache/                             copies of many of these, to open fewer files

Every file is written to a hidden name and moved, so a reader sees all of it or nothing. The cache
may be deleted at any time: a copy counts only while its file is there as it was when read.
What turns out to be damaged is set aside by whoever reads it, and is missing from then on.
"""

import uuid
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from fdsweep.results.records.schema import CURVES, REPLICATES, Replicate
from fdsweep.results.records.store import files, tables
from fdsweep.results.records.store.rows import State, files_of, rows, states
from fdsweep.results.records.store.samples import samples
from fdsweep.results.records.store.tables import Rows
from fdsweep.results.records.store.whole import gone
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage, tell_once

if TYPE_CHECKING:
    import pandas as pd


class Store(Storage):
    """A storage whose replicates can be put, listed and read.

    `create` and `open` say whether the place can be used.

    Example:
        >>> store = Store.create("fdsweep-runs")
        >>> store.put(replicate, curves, predictions)
        True

    Raises:
        StorageError: a URI that pyarrow does not know.
    """

    @classmethod
    def create(cls, root: str) -> "Store":
        """The storage at `root`, made if it is not there, and proved to be writable.

        Raises:
            StorageError: it cannot be made or written.
        """
        store = cls(root)
        for folder in (*tables.SCHEMAS, layout.REPORTS):
            store.make_folder(folder)
        probe = f".writable.{uuid.uuid4().hex}"
        store.write(probe, b"")
        store.delete_file(probe)
        return store

    @classmethod
    def open(cls, root: str) -> "Store":
        """The storage at `root`, to read from.

        Raises:
            StorageError: there is none.
        """
        store = cls(root)
        if not store.is_folder():
            raise StorageError(
                "there is no storage here", root, "Give --storage, or type: fdsweep ablation"
            )
        return store

    def put(self, replicate: Replicate, curves: Rows, predictions: Rows) -> bool:
        """Write one replicate; its row comes last and makes it count.

        The rows of `curves` and `predictions` hold the columns of their schema; `key` and `seed`
        are the replicate's own and may be left out. A task that `schema.KEPT` does not know keeps
        other columns beside those of `schema.SAMPLES`; they are stored as they are. A done
        replicate is never overwritten, a failed one is superseded, and so is a done one that lost
        its curves or predictions, by a done one. Of two writers at the same instant one whole file
        stays.

        Returns:
            False if the replicate was done already, and nothing was written.

        Raises:
            StorageError: the place cannot be written.
        """
        name = layout.replicate_file(replicate.key, replicate.seed)
        given = {
            layout.CURVES: tables.owned(curves, CURVES, replicate),
            layout.PREDICTIONS: tables.kept(predictions, replicate),
        }
        row = {**replicate.model_dump(), "files": [f"{folder}/{name}" for folder in given]}
        given[layout.RESULTS] = pa.Table.from_pylist([row], schema=REPLICATES)
        others = files_of(self, name)
        renews = replicate.status == "done" and others is not None and bool(gone(self, others))
        for folder, table in given.items():
            if not renews and files_of(self, name) is not None:
                return False
            self.write(f"{folder}/{name}", tables.to_parquet(table))
        return True

    def replicates(self, keys: Collection[str] | None = None) -> "pd.DataFrame":
        """Every readable row of `results/` (of `keys` only, if given), by key and seed.

        Columns are those of the contract, also when there is no row.
        """
        return tables.to_frame(rows(self, keys))

    def states(self) -> dict[tuple[str, int], State]:
        """(key, seed) -> state of every readable row of `results/`.

        Without pandas, which pyarrow imports as soon as it makes an array of a list.
        """
        return states(self)

    def curves(self, keys: Collection[str] | None = None) -> "pd.DataFrame":
        """Metrics per epoch, of `keys` only, if given; columns as in `schema.CURVES`."""
        names = files.in_order(files.stamps(self, layout.CURVES), keys)
        return tables.to_frame(files.read_all(self, layout.CURVES, names)[0])

    def predictions(self, keys: Collection[str] | None = None) -> "pd.DataFrame":
        """What was kept of test samples, of `keys` only, if given.

        Columns are those that the files hold, as in `schema.PREDICTIONS` for a classification and
        where there is none. Texts are categorical: there may be millions of rows.
        """
        return tables.to_frame(samples(self, keys))

    def finished(self, keys: Collection[str] | None = None) -> set[tuple[str, int]]:
        """(key, seed) of every replicate (of `keys` only, if given) that is done and whole.

        Failed ones are not, nor are those that lost a file: see `lost`.
        """
        import pyarrow.compute as pc  # slow to import

        found = rows(self, keys)
        done = found.filter(pc.equal(found["status"], "done"))
        who = zip(done["key"].to_pylist(), done["seed"].to_pylist(), strict=True)
        places = dict(zip(who, done["files"].to_pylist(), strict=True))
        return {*places} - self.lost(places)

    def lost(self, done: Mapping[tuple[str, int], Collection[str]]) -> set[tuple[str, int]]:
        """Those of the `done` replicates, (key, seed), that lack one of their `files`.

        Of them is told on stderr. Of their files the ends alone are read, so that damage within is
        not noticed before they are read whole.
        """
        missing = gone(self, {place for places in done.values() for place in places})
        lost = {who for who, places in done.items() if not missing.isdisjoint(places)}
        if lost:
            first, more = self.uri(min(missing)), len(missing) - 1
            told = f"{first} and {more} more are" if more else f"{first} is"
            again = f"{len(lost)} replicate{'s' if len(lost) > 1 else ''}"
            tell_once(f"{told} missing; running the sweep trains {again} again.")
        return lost
