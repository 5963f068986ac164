"""Which of several drivers on one storage trains what: leases, as files in the storage.

A lease is a file in `locks/leases/` that its holder made, where no other driver makes one of the
same name. It says who the holder is, who touches it every ten seconds. A lease that was not
touched for a minute is nobody's, and one whose holder was a process of this machine that is gone
is nobody's at once.

Its age is the difference between two times that the storage's own file system wrote down: when
the lease was touched, and when the asking driver touched `.clock` beside it. On a network file
system both are the server's, so that the clocks of machines need not agree.

pyarrow cannot make a file in object storage only if there is none. There nothing is leased, and
every driver trains what it finds missing: a replicate may be trained twice, and its checkpoints
be deleted by the driver that is done first; its row counts once.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

import filelock

from fdsweep.orchestrator import owner
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage, unwritable

HEARTBEAT_S = 10.0
"""So often a holder touches its leases."""

EXPIRY_S = 60.0
"""A lease untouched for so long is nobody's."""

POLL_S = 1.0
"""Between two looks at the leases of others."""

LOCK_TIMEOUT_S = 10.0
"""Taking leases takes milliseconds; a driver that was stopped in the middle of it holds no one up
for longer."""


class Leases:
    """The leases of one driver. Use as a context manager: what is left is freed at its end.

    Args:
        storage: where the drivers meet.
        heartbeat: seconds between two touches.
        expiry: seconds after which an untouched lease is nobody's.
    """

    def __init__(
        self, storage: Storage, *, heartbeat: float = HEARTBEAT_S, expiry: float = EXPIRY_S
    ) -> None:
        self.folder = storage.local(layout.LEASES) if storage.is_local else None
        self.heartbeat, self.expiry = heartbeat, expiry
        self.held: set[str] = set()
        self.me = json.dumps(
            {
                "driver": uuid.uuid4().hex,
                "host": socket.gethostname(),
                "machine": owner.machine(),
                "pid": os.getpid(),
            }
        )
        self.stopped = threading.Event()
        self.beating = threading.Thread(target=self._beat, name="leases", daemon=True)
        if self.folder:
            storage.make_folder(layout.LEASES)
            self.lock = filelock.FileLock(
                storage.local(layout.lock("leases")), timeout=LOCK_TIMEOUT_S
            )

    def __enter__(self) -> Self:
        if self.folder:
            self.beating.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.folder:
            self.stopped.set()
            self.beating.join()
            self.free(list(self.held))

    def take(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that nobody held, and that are this driver's now.

        Raises:
            StorageError: the storage cannot be written.
        """
        if self.folder is None:
            return list(names)
        try:
            with self.lock:
                now = _touched(self.folder / ".clock")
                taken = [name for name in names if self._take(self.folder / name, now)]
        except filelock.Timeout:
            return []
        except OSError as error:
            raise unwritable(str(self.folder), error) from None
        self.held.update(taken)
        return taken

    def free(self, names: Iterable[str]) -> None:
        """Give up those of `names` that are this driver's."""
        for name in names:
            with contextlib.suppress(OSError):  # one that stays is nobody's soon
                if self.holds(name) and self.folder:
                    (self.folder / name).unlink(missing_ok=True)
            self.held.discard(name)

    def holds(self, name: str) -> bool:
        """Whether `name` is this driver's still: one that was stopped for long may have lost it.

        In object storage that cannot be lost.
        """
        if self.folder is None:
            return True
        return name in self.held and _read(self.folder / name)[0] == self.me

    def wait(self, names: Sequence[str]) -> None:
        """Return as soon as one of `names` is nobody's."""
        while self.folder:
            now = _touched(self.folder / ".clock")
            if not all(self._is_live(self.folder / name, now) for name in names):
                return
            time.sleep(POLL_S)

    def holder(self, name: str) -> str:
        """Who holds `name`, in words; "" if nobody does."""
        who = _who(_read(self.folder / name)[0]) if self.folder else {}
        return f"process {who['pid']} on {who['host']}" if who else ""

    def is_held(self, name: str) -> bool:
        """Whether a driver has `name` now; in object storage, where nobody knows, True."""
        if self.folder is None:
            return True
        return self._is_live(self.folder / name, _touched(self.folder / ".clock"))

    def _take(self, path: Path, now: float) -> bool:
        """Make the lease at `path`; the lock is held."""
        if path.exists():
            if self._is_live(path, now):
                return False
            path.unlink(missing_ok=True)
        try:
            with path.open("x") as file:
                file.write(self.me)
        except FileExistsError:  # where the file system does not know locks
            return False
        return True

    def _is_live(self, path: Path, now: float) -> bool:
        content, touched = _read(path)
        return now - touched < self.expiry and not _is_gone(content)

    def _beat(self) -> None:
        while not self.stopped.wait(self.heartbeat):
            for name in list(self.held):
                with contextlib.suppress(OSError):  # what hinders one touch may not hinder the next
                    if self.folder and self.holds(name):
                        os.utime(self.folder / name)


def replicate(key: str, seed: int | str) -> str:
    """The name of the lease of a replicate."""
    return f"{key}-{seed}"


def may_be_trained(storage: str, *, trials: bool = True) -> Callable[[tuple[str, str]], bool]:
    """What tells whether a driver may have a replicate, (key, seed), in training.

    A trial of a search, which has no seed, has no lease: whoever knows says `trials`.
    """

    def is_trained(identity: tuple[str, str]) -> bool:
        key, seed = identity
        return Leases(Storage(storage)).is_held(replicate(key, seed)) if seed else trials

    return is_trained


def _touched(path: Path) -> float:
    """The time by the file system's clock, s."""
    path.touch()
    return path.stat().st_mtime


def _read(path: Path) -> tuple[str, float]:
    """What the lease at `path` says, and when it was touched; nothing and never if there is none.

    A network file system asks its server when a file is opened, not whenever one is looked at.
    """
    try:
        with path.open(errors="replace") as file:
            return file.read(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return "", 0.0


def _who(content: str) -> dict[str, str | int]:
    """The parts of what a lease says; none if it is not whole."""
    try:
        who = json.loads(content)
    except json.JSONDecodeError:
        return {}
    return who if isinstance(who, dict) and {"host", "machine", "pid"} <= {*who} else {}


def _is_gone(content: str) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    who = _who(content)
    return bool(who) and owner.is_gone(str(who["machine"]), who["pid"])
