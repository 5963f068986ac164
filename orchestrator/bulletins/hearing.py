"""What drivers say of themselves, and how long ago it was."""

import time
from dataclasses import dataclass, field
from typing import Literal

from fdsweep.orchestrator import owner
from fdsweep.orchestrator.bulletins.record import SCHEMA, Bulletin
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.records import UnreadableRecord
from fdsweep.search_spaces.storage import Storage

SILENT_S = 60.0
"""A driver not heard of for so long may have ended without a word."""

PAST_S = 3600.0
"""A driver not heard of for so long has ended."""

State = Literal["running", "silent", "stopped", "gone"]


@dataclass(frozen=True, slots=True)
class Heard:
    """A bulletin, where it stands, and how many seconds ago it was written."""

    bulletin: Bulletin
    place: str
    age: float

    @property
    def state(self) -> State:
        """What becomes of the driver: a silent one may have ended, a gone one has.

        One of another machine is never known to be gone.
        """
        if self.bulletin.stopped:
            return "stopped"
        if owner.is_gone(self.bulletin.machine, self.bulletin.pid):
            return "gone"
        return "silent" if self.age > SILENT_S else "running"

    @property
    def is_past(self) -> bool:
        """Whether the driver has ended, or must have."""
        return self.state in ("stopped", "gone") or self.age > PAST_S

    @property
    def now(self) -> float:
        """The driver's time, now."""
        return self.bulletin.written + self.age

    @property
    def who(self) -> str:
        """The driver in words."""
        return f"process {self.bulletin.pid} on {self.bulletin.host}"


@dataclass
class Listener:
    """Hears bulletins again and again.

    How old one is when it is first heard is told by two clocks, the storage's and this machine's.
    From when it changes on, this machine's alone tells.
    """

    changed: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Place -> when the driver wrote it, and time.monotonic() of that."""

    def hear(self, storage: Storage) -> list[Heard]:
        """The bulletins of `storage`, by their places; one that cannot be read is missing."""
        found = []
        for info in sorted(storage.files(layout.PROGRESS), key=lambda info: info.base_name):
            if not info.base_name.endswith(".json"):
                continue
            place = f"{layout.PROGRESS}/{info.base_name}"
            try:
                bulletin = Bulletin.from_text(storage.read(place), SCHEMA)
            except (StorageError, UnreadableRecord):
                continue
            changed = info.mtime_ns / 1e9 if info.mtime_ns else bulletin.written
            found.append(Heard(bulletin, place, self._age(place, bulletin.written, changed)))
        return found

    def _age(self, place: str, written: float, changed: float) -> float:
        now = time.monotonic()
        known = self.changed.get(place)
        if known is None:
            self.changed[place] = written, now - max(time.time() - changed, 0.0)
        elif known[0] != written:
            self.changed[place] = written, now
        return now - self.changed[place][1]


def hear(storage: Storage) -> list[Heard]:
    """The bulletins of `storage`."""
    return Listener().hear(storage)
