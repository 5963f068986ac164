"""Writes in a thread of their own: who trains never waits for a disk or a server."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Self

from fdsweep.search_spaces.errors import StorageError

WAITING = 32
"""Writes that may wait; who has one more to give waits too, so that memory is bounded."""

PAUSES_S = (1.0, 4.0)
"""Before a write that the storage refused is tried again; the last refusal is for good."""

POLL_S = 0.05


class Writer:
    """Does what it is given in order, one after the other. Use as a context manager.

    Leaving it waits until everything is done, whatever the reason. After a write that failed for
    good none is done any more: what comes later may count on all that came before.

    Args:
        pauses: seconds before each new try of what raised a StorageError.
    """

    def __init__(self, pauses: tuple[float, ...] = PAUSES_S) -> None:
        self.pauses = pauses
        self.waiting: queue.Queue[tuple[Callable[[], object], Callable[[], object]] | None]
        self.waiting, self.done = queue.Queue(WAITING), queue.SimpleQueue[Callable[[], object]]()
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.waiting.put(None)
            self.thread.join()
            self._tell()

    def submit(
        self, write: Callable[[], object], then: Callable[[], object] = lambda: None
    ) -> None:
        """Have `write()` done after all that was submitted before, and `then()` told by `step`.

        `write` may be done twice, if it raised a StorageError the first time.
        """
        self.waiting.put((write, then))

    def step(self) -> None:
        """Tell what is done: call each `then` in this thread.

        Raises:
            Exception: what a write raised that failed for good.
        """
        self._tell()
        if self.error:
            raise self.error

    def fail(self, error: Exception) -> None:
        """Do nothing more, and have `step` raise `error`: where it is met, it would be lost."""
        self.error = self.error or error

    def flush(self) -> None:
        """Return when all that was submitted is done and told; raises as `step` does."""
        passed = threading.Event()
        self.submit(passed.set)
        while not passed.wait(POLL_S):
            self.step()
        self.step()

    def _tell(self) -> None:
        while not self.done.empty():
            self.done.get()()

    def _work(self) -> None:
        for write, then in iter(self.waiting.get, None):
            if self.error is None:
                self._attempt(write, then)

    def _attempt(self, write: Callable[[], object], then: Callable[[], object]) -> None:
        for pause in (*self.pauses, None):
            try:
                write()
            except Exception as error:
                if pause is None or not isinstance(error, StorageError):
                    self.fail(error)
                    return
                time.sleep(pause)
            else:
                self.done.put(then)
                return
