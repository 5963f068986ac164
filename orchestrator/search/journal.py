"""A search's study where no database can lie: the driver has it, the storage has a copy.

Object storage can be written whole files at a time only, so Optuna's journal, one JSON object for
each change of the study, stays in the driver's memory. A thread copies all of it into the storage
whenever it has grown, at most every few seconds, and before a trial counts as stored. A driver on
any machine goes on from the copy: what was proposed after it is proposed again, with the same
numbers.
"""

import contextlib
import json
import threading
from collections.abc import Iterable
from typing import Any, Self

from optuna.storages.journal import BaseJournalBackend
from typing_extensions import override

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

COPY_EVERY_S = 5.0


class Journal(BaseJournalBackend):
    """The journal of the search `name`. Use as a context manager: it is copied at the end.

    Args:
        storage: where the copy is.
        name: of the search.

    Raises:
        StorageError: the copy cannot be read.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage, self.place = storage, layout.journal(name)
        self.lines = _whole_lines(storage, self.place)
        self.copied, self.stamp = len(self.lines), storage.stamp(self.place)
        self.copying, self.ended = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._copy_now_and_then, name="journal", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.thread.join()
        self.copy()

    @override
    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return [json.loads(line) for line in self.lines[log_number_from:]]

    @override
    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.lines += [json.dumps(log) for log in logs]

    def copy(self) -> None:
        """Put the journal into the storage, if it has grown.

        Raises:
            StorageError: it cannot be written, or another driver writes to the same search.
        """
        with self.copying:
            lines = tuple(self.lines)
            if len(lines) == self.copied:
                return
            if self.storage.stamp(self.place) != self.stamp:
                what = "another process is running this search"
                raise StorageError(what, self.storage.uri(self.place), "Stop one of them")
            self.storage.write_text(self.place, "".join(f"{line}\n" for line in lines))
            self.copied, self.stamp = len(lines), self.storage.stamp(self.place)

    def _copy_now_and_then(self) -> None:
        while not self.ended.wait(COPY_EVERY_S):
            with contextlib.suppress(StorageError):  # the end of the next trial tells of it
                self.copy()


def _whole_lines(storage: Storage, place: str) -> list[str]:
    """The lines of the copy; a damaged one is set aside."""
    if not storage.exists(place):
        return []
    content = storage.read(place)
    try:
        lines = content.decode().splitlines()
        if not all(isinstance(json.loads(line), dict) for line in lines):
            raise ValueError("no JSON objects")
    except ValueError:
        storage.set_aside(place, "no whole journal; its search starts again")
        return []
    return lines
