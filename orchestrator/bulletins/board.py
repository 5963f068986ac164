"""A driver's own bulletin, kept up to date by a thread of its own."""

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable

from fdsweep.orchestrator import owner
from fdsweep.orchestrator.bulletins.hearing import hear
from fdsweep.orchestrator.bulletins.record import SCHEMA, Bulletin
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

EVERY_S = 3.0
"""At least so long lies between two bulletins."""

BEAT_S = 10.0
"""At most so long lies between two, also when nothing happens."""


class Board:
    """Where a driver posts how far it is with a sweep. No call but `end` waits for the storage.

    What cannot be written is late, and no word is lost on it: of results, that is told.

    Args:
        storage: where.
        sweep: its name.
        title: its title, for people.
        every: seconds between two bulletins.
    """

    def __init__(self, storage: Storage, sweep: str, title: str, *, every: float = EVERY_S) -> None:
        self.storage, self.every = storage, every
        self.blank = Bulletin(
            sweep=sweep,
            title=title,
            driver=uuid.uuid4().hex[:12],
            host=socket.gethostname(),
            machine=owner.machine(),
            pid=os.getpid(),
            started=time.time(),
            written=time.time(),
        )
        self.place = layout.bulletin(sweep, self.blank.driver)
        self.is_new, self.is_over = threading.Event(), threading.Event()

    def begin(self, fill: Callable[[Bulletin], Bulletin]) -> None:
        """Post what `fill` makes of a blank bulletin, now and whenever something has changed.

        `fill` is called in another thread.
        """
        self.blank = self.blank.replace(started=time.time())
        self.thread = threading.Thread(target=self._work, args=(fill,), name="board", daemon=True)
        self.thread.start()

    def changed(self) -> None:
        """Something has changed."""
        self.is_new.set()

    def end(self, *, well: bool) -> None:
        """Take the bulletin away if all was done; else mark it as that of a driver that stopped."""
        self.well = well
        self.is_over.set()
        self.is_new.set()
        self.thread.join()

    def _work(self, fill: Callable[[Bulletin], Bulletin]) -> None:
        with contextlib.suppress(StorageError, OSError):
            self._clear()
        while not self.is_over.is_set():
            self.is_new.clear()
            self._post(fill(self.blank))
            if not self.is_over.wait(self.every):
                self.is_new.wait(max(BEAT_S - self.every, 0.0))
        if self.well:
            with contextlib.suppress(StorageError, OSError):
                self.storage.delete_file(self.place)
        else:
            self._post(fill(self.blank).replace(trials=(), stopped=True))

    def _post(self, bulletin: Bulletin) -> None:
        with contextlib.suppress(StorageError):
            self.storage.write_text(self.place, bulletin.to_text(SCHEMA) + "\n")

    def _clear(self) -> None:
        """Delete what drivers of the same sweep have left that are no more."""
        for heard in hear(self.storage):
            if heard.bulletin.sweep == self.blank.sweep and heard.is_past:
                self.storage.delete_file(heard.place)
