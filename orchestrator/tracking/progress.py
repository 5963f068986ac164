"""What the terminal shows while something runs: a bar, and what stands below it."""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from fdsweep.orchestrator import voice
from fdsweep.orchestrator.bulletins.board import Board
from fdsweep.orchestrator.bulletins.record import Best, Bulletin, Said, Training, clock

LINE_EVERY_S = 10.0

INDENT = (0, 0, 0, 2)
"""Around what stands below the bar, also where it takes several lines."""

LINES_POSTED = 3
"""So many of the last lines that were said stand in a bulletin."""


@dataclass
class Counts:
    """Replicates by what became of them, and the best student so far.

    `best` is its score and its name, `chosen_on` the split whose score that is.

    In a search these are its trials, and some of them are pruned.
    """

    total: int
    done: int = 0
    failed: int = 0
    pruned: int = 0
    running: dict[Hashable, Training] = field(default_factory=dict)
    best: tuple[float, str] | None = None
    chosen_on: str = "val"

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
            parts.append(f"best {self.chosen_on} {100 * self.best[0]:.1f} ({self.best[1]})")
        left = time_left(elapsed, ended, self.total)
        return " · ".join([*parts, *([f"ETA {left}"] if left else [])])


def time_left(elapsed: float, ended: int, total: int) -> str:
    """How long the rest takes at the pace so far, as `clock` spells it; "" before and at the end.

    `elapsed` is in seconds; `ended` of `total` are through.
    """
    return clock(elapsed / ended * (total - ended)) if 0 < ended < total else ""


class Display(ABC):
    """A state on stderr: live on a terminal, a line now and then elsewhere, one line at the end.

    Use as a context manager, and call `show` whenever the state has changed.

    Args:
        every: seconds between two lines where there is no terminal.
        console: where to; stderr by default.
    """

    def __init__(self, every: float = LINE_EVERY_S, console: Console | None = None) -> None:
        self.every = every
        self.console = console or Console(stderr=True, quiet=voice.is_quiet())
        self.start = self.printed = time.monotonic()
        self.live = Live(console=self.console, refresh_per_second=4, transient=True)

    @abstractmethod
    def line(self) -> str:
        """The state in a line."""

    @abstractmethod
    def drawn(self) -> RenderableType:
        """The state as a terminal shows it."""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
            self.show()
        return self

    def __exit__(self, *exc: object) -> None:
        self.live.stop()
        self._print(self.last_line())

    def last_line(self) -> str:
        """What is said at the end."""
        return self.line()

    def say(self, text: str) -> None:
        """Print a line above what is live."""
        self._print(text)

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self) -> None:
        """Bring the terminal up to date."""
        if self.live.is_started:
            self.live.update(self.drawn())
        elif time.monotonic() - self.printed >= self.every:
            self.printed = time.monotonic()
            self._print(self.timed_line())

    def timed_line(self) -> str:
        """The state in a line, behind the time since the start."""
        return f"{clock(self.elapsed)}  {self.line()}"


def bar(ended: int, total: int, text: str) -> Table:
    """A bar that is full when `ended` is `total`, with `text` behind it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        ProgressBar(total=total, completed=ended, width=30),
        Text(f"{ended}/{total}  {text}"),
    )
    return grid


class Progress(Display):
    """Shows the `Counts` of a study or a search, and what is in training, also on a `board`.

    What is in training has an identity.
    """

    def __init__(
        self, total: int, console: Console | None = None, board: Board | None = None
    ) -> None:
        super().__init__(console=console)
        self.counts, self.board = Counts(total), board
        self.said = deque[Said](maxlen=LINES_POSTED)

    @override
    def __enter__(self) -> Self:
        self.before = self.counts.ended
        if self.board:
            self.board.begin(self.bulletin)
        return super().__enter__()

    @override
    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        if self.board:
            self.board.end(well=exc[0] is None)

    @override
    def say(self, text: str) -> None:
        self.said.append(Said(at=time.time(), text=text))
        super().say(text)

    @override
    def show(self) -> None:
        super().show()
        if self.board:
            self.board.changed()

    def bulletin(self, blank: Bulletin) -> Bulletin:
        """What a `blank` bulletin of this driver says now; for other threads too."""
        counts, best = self.counts, self.counts.best
        return blank.replace(
            written=time.time(),
            total=counts.total,
            before=self.before,
            done=counts.done,
            failed=counts.failed,
            pruned=counts.pruned,
            trials=tuple(counts.running.copy().values()),
            best=Best(score=best[0], name=best[1], split=counts.chosen_on) if best else None,
            said=tuple(self.said.copy()),
        )

    @override
    def line(self) -> str:
        return self.counts.line(self.elapsed)

    @override
    def drawn(self) -> RenderableType:
        running = self.counts.running.values()
        lines = [Padding(Text(_words(one), style="dim"), INDENT) for one in running]
        return Group(bar(self.counts.ended, self.counts.total, self.line()), *lines)

    def running(self, identity: Hashable, training: Training) -> None:
        """Something is in training."""
        self.counts.running[identity] = training
        self.show()

    def epoch(
        self,
        identity: Hashable,
        epoch: int,
        epochs: int,
        score: float,
        split: str = "val",
        seed: int | None = None,
    ) -> None:
        """An epoch of what is in training has been done."""
        if known := self.counts.running.get(identity):
            self.running(identity, known.after(epoch, epochs, score, split, seed))

    def idle(self, identity: Hashable) -> None:
        """Something is no longer in training."""
        self.counts.running.pop(identity, None)
        self.show()

    def silent(self, identity: Hashable, name: str, seconds: float, *, over: bool) -> None:
        """Say that `name` has taken no step for so long, or had not until now if that is `over`."""
        if known := self.counts.running.get(identity):
            last = None if over else time.time() - seconds
            self.counts.running[identity] = known.replace(silent_since=last)
        if over:
            self.say(f"{name}: goes on after {clock(seconds)} without a step")
            return
        since = datetime.now() - timedelta(seconds=seconds)
        self.say(f"{name}: no step since {since:%H:%M:%S} (see --hang-timeout)")

    def reached(self, score: float, name: str, split: str = "val") -> None:
        """A student called `name` ended with a score on the split that chooses."""
        if self.counts.best is None or score > self.counts.best[0]:
            self.counts.best, self.counts.chosen_on = (score, name), split


def _words(training: Training) -> str:
    """How far `training` is."""
    if not training.epoch:
        return f"{training.name}: starting"
    seed = "" if training.seed is None else f"seed {training.seed}, "
    score = "" if training.score is None else f", {training.split} {100 * training.score:.1f}"
    return f"{training.name}: {seed}epoch {training.epoch}/{training.epochs}{score}"


class Steps(Display):
    """Shows how many of `total` are through, such as "samples decoded" (`done`).

    `doing` stands beside the bar.
    """

    def __init__(
        self,
        total: int,
        doing: str,
        done: str,
        every: float = LINE_EVERY_S,
        console: Console | None = None,
    ) -> None:
        super().__init__(every, console)
        self.total, self.doing, self.done, self.through = total, doing, done, 0

    @override
    def line(self) -> str:
        left = time_left(self.elapsed, self.through, self.total)
        text = f"{self.through:,} of {self.total:,} {self.done}"
        return f"{text}, ETA {left}" if left else text

    @override
    def drawn(self) -> RenderableType:
        left = time_left(self.elapsed, self.through, self.total)
        return bar(self.through, self.total, f"{self.doing} {left}".rstrip())

    @override
    def last_line(self) -> str:
        return self.timed_line()

    def advance(self, count: int) -> None:
        """So many more are through."""
        self.through += count
        self.show()
