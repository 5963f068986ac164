"""What the terminal shows while a study runs: one bar, and one line per running trial."""

import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_EVERY_S = 10.0


@dataclass
class Counts:
    """Replicates by what became of them, and the best student so far (validation accuracy).

    In a search these are its trials, and some of them are pruned.
    """

    total: int
    done: int = 0
    failed: int = 0
    pruned: int = 0
    running: dict[Hashable, str] = field(default_factory=dict)
    best: tuple[float, str] | None = None

    @property
    def left(self) -> int:
        """Replicates not yet ended and not in training now."""
        return self.total - self.ended - len(self.running)

    @property
    def ended(self) -> int:
        """Replicates that are no longer in training."""
        return self.done + self.failed + self.pruned

    def line(self, elapsed: float) -> str:
        """The counter line: done, failed, running, left, best so far, time to go."""
        ended = self.ended
        parts = [
            f"{self.done} done",
            *([f"{self.pruned} pruned"] if self.pruned else []),
            f"{self.failed} failed",
            f"{len(self.running)} running",
            f"{max(self.left, 0)} left",
        ]
        if self.best:
            parts.append(f"best val {100 * self.best[0]:.1f} ({self.best[1]})")
        if ended and ended < self.total:
            parts.append(f"ETA {clock(elapsed / ended * (self.total - ended))}")
        return " · ".join(parts)


def clock(seconds: float) -> str:
    """`seconds` as 3:05 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Progress:
    """Shows `Counts` on stderr: live on a terminal, a line now and then elsewhere.

    Use as a context manager. What is in training has an identity, and words for people.
    """

    def __init__(self, total: int, console: Console | None = None) -> None:
        self.counts = Counts(total)
        self.console = console or Console(stderr=True)
        self.start = self.printed = time.monotonic()
        self.live = Live(console=self.console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
            self.show()
        return self

    def __exit__(self, *exc: object) -> None:
        self.live.stop()
        self.say(self.counts.line(self.elapsed))

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def running(self, identity: Hashable, text: str) -> None:
        """Something is in training; `text` says how far it is."""
        self.counts.running[identity] = text
        self.show()

    def idle(self, identity: Hashable) -> None:
        """Something is no longer in training."""
        self.counts.running.pop(identity, None)
        self.show()

    def reached(self, val_accuracy: float, name: str) -> None:
        """A student called `name` ended with a validation accuracy."""
        if self.counts.best is None or val_accuracy > self.counts.best[0]:
            self.counts.best = (val_accuracy, name)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self) -> None:
        """Bring the terminal up to date."""
        line = self.counts.line(self.elapsed)
        if self.live.is_started:
            ended = self.counts.ended
            bar = Table.grid(padding=(0, 1))
            bar.add_row(
                ProgressBar(total=self.counts.total, completed=ended, width=30),
                Text(f"{ended}/{self.counts.total}  {line}"),
            )
            lines = [Text(f"  {text}", style="dim") for text in self.counts.running.values()]
            self.live.update(Group(bar, *lines))
        elif time.monotonic() - self.printed >= LINE_EVERY_S:
            self.printed = time.monotonic()
            self.say(f"{clock(self.elapsed)}  {line}")
