"""fdsweep as a user types it, in a process of its own."""

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from chaos.processes import family, psutil
from commands import IMPATIENT, INTERRUPTIBLE, command, surroundings


class Driver:
    """A driver. `log` is the file that its stderr goes to, stdout goes beside it."""

    def __init__(self, words: Sequence[str], log: Path) -> None:
        self.log, self.sent = log, None
        with log.open("w") as err, log.with_suffix(".out").open("w") as out:
            self.process = subprocess.Popen(
                command(*words, first=INTERRUPTIBLE + IMPATIENT),
                env=surroundings(),
                stdout=out,
                stderr=err,
            )
        self.pid = self.process.pid
        self.seen: set[psutil.Process] = set()

    @property
    def is_at_work(self) -> bool:
        """Whether it runs and has said something: what is imported is imported by then."""
        return self.process.poll() is None and self.log.stat().st_size > 0

    def family(self) -> list[psutil.Process]:
        """Its processes."""
        found = family(self.pid)
        self.seen.update(found)
        return found

    def send(self, number: signal.Signals) -> str:
        """Send a signal; in words what was hit."""
        self.sent = number
        self.family()
        self.process.send_signal(number)
        return f"{number.name}, driver {self.pid}"

    def ends(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.family()
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
        return self.process.poll() is not None

    def faults(self) -> list[str]:
        """What is wrong with how it ended; it has ended."""
        code, said = self.process.returncode, self.log.read_text()
        found = []
        if code not in {None: (0, 1, 2), signal.SIGINT: (0, 1, 2, 130)}.get(self.sent, (code,)):
            found.append(f"exit code {code}")
        if "Traceback" in said:
            found.append("a traceback")
        return [f"driver {self.pid}: {one}\n{said}" for one in found]
