"""Copies of what a driver stores, renewed while it is at work: the first report finds them."""

import contextlib
from collections.abc import Collection

from fdsweep.results.records.schema import CLASSIFICATION
from fdsweep.results.records.store import Store, cache, files
from fdsweep.results.records.store.rows import rows
from fdsweep.results.records.store.samples import samples
from fdsweep.results.records.store.whole import gone
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError


class Compaction:
    """Renews the copies in `cache/` whenever that many replicates are new that it is worth it.

    Args:
        store: that holds the replicates and the copies.
        keys: of the replicates.
        task: theirs.
        known: how many are there already.
    """

    def __init__(self, store: Store, keys: Collection[str], task: str, known: int) -> None:
        self.store, self.keys, self.task = store, keys, task
        self.known, self.new = known, 0

    def count(self) -> None:
        """One more replicate is stored; every now and then this takes as long as a report."""
        self.new += 1
        if cache.is_worth_it(self.new, self.known):
            self.known, self.new = self.known + self.new, 0
            with contextlib.suppress(StorageError):
                self.renew()

    def renew(self) -> None:
        """Copy what no copy has, if it is worth it; StorageError if the storage cannot be read."""
        rows(self.store, self.keys)
        for folder in (layout.CURVES, layout.PREDICTIONS):
            names = files.in_order(files.stamps(self.store, folder), self.keys)
            gone(self.store, [f"{folder}/{name}" for name in names])
        if self.task == CLASSIFICATION:
            samples(self.store, self.keys)
