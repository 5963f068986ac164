"""What a bulletin says. Its times are the driver's, in seconds since 1970: only differences count.

The score of an epoch is a fraction, of the split that chooses.
"""

import math
import time
from typing import Literal

from pydantic import Field

from fdsweep.search_spaces.records import Record

SCHEMA = "fdsweep.progress/1"

Kind = Literal["teacher", "student", "point"]


class Training(Record):
    """A trial in training.

    Attributes:
        name: for people.
        kind: a point is a search's.
        seeds: that it trains one after the other; a point trains its own together, and has none
            here.
        since: when it got its resources.
        first: when its first epoch was done; 0 before.
        heard: when its last epoch was done.
        steps: epochs done since it got its resources.
        seed: that is being trained.
        epoch: of `epochs`; 0 before the first was done.
        skipped: share of the epochs that an earlier try had done.
        rungs: epochs after which it may be stopped.
        split: that chooses.
        score: after the last epoch, None if it is no number.
        best: the highest after an epoch of this seed.
        silent_since: when its last step was, if that is long ago.
    """

    name: str
    kind: Kind
    seeds: tuple[int, ...] = ()
    rungs: tuple[int, ...] = ()
    since: float = Field(default_factory=time.time)
    first: float = 0.0
    heard: float = 0.0
    steps: int = 0
    seed: int | None = None
    epoch: int = 0
    epochs: int = 0
    skipped: float = 0.0
    split: str = "val"
    score: float | None = None
    best: float | None = None
    silent_since: float | None = None

    def after(
        self, epoch: int, epochs: int, score: float, split: str = "val", seed: int | None = None
    ) -> "Training":
        """The same when an epoch has just been done."""
        now, is_same = time.time(), self.epoch > 0 and seed == self.seed
        value = score if math.isfinite(score) else None
        known = [x for x in (self.best if is_same else None, value) if x is not None]
        return self.replace(
            seed=seed,
            epoch=epoch,
            epochs=epochs,
            skipped=self.skipped if is_same else (epoch - 1) / epochs,
            split=split,
            score=value,
            best=max(known, default=None),
            first=self.first or now,
            heard=now,
            steps=self.steps + 1,
            silent_since=None,
        )

    @property
    def done(self) -> float:
        """The share of its epochs that the replicate, or the point, in training has done."""
        return self.epoch / self.epochs if self.epochs else 0.0

    def seconds_left(self, now: float) -> float | None:
        """Seconds that the trial takes on at its pace so far, None before there is one."""
        if not self.steps:
            return None
        several = self.steps > 1 and self.heard > self.first
        start, steps = (self.first, self.steps - 1) if several else (self.since, self.steps)
        later = len(self.seeds) - 1 - self.seeds.index(self.seed) if self.seed in self.seeds else 0
        left = self.epochs - self.epoch + later * self.epochs
        return max((self.heard - start) / steps * left - (now - self.heard), 0.0)


class Said(Record):
    """A line that the driver said, and when."""

    at: float
    text: str


class Best(Record):
    """The best score that a student, or a point, ended with."""

    score: float
    name: str
    split: str


class Bulletin(Record):
    """How far a driver is with a sweep, or with a search's trials.

    Attributes:
        sweep: name of the sweep, or of the searches together.
        title: of it, for people.
        driver: a name of its own.
        host: the name of its machine; `machine` and `pid` tell whether it has ended.
        started: when it began.
        written: when it said this.
        total: replicates that were left to it, teachers included; or all trials of the searches.
        before: how many of them had ended when it began.
        done: and `failed` and `pruned`: what has become of them.
        trials: in training.
        best: so far.
        said: the last lines on its terminal.
        stopped: whether it has ended before all was done.
    """

    sweep: str
    title: str
    driver: str
    host: str
    machine: str
    pid: int
    started: float
    written: float
    total: int = 0
    before: int = 0
    done: int = 0
    failed: int = 0
    pruned: int = 0
    trials: tuple[Training, ...] = ()
    best: Best | None = None
    said: tuple[Said, ...] = ()
    stopped: bool = False

    @property
    def ended(self) -> int:
        """How many are no longer in training."""
        return self.done + self.failed + self.pruned

    @property
    def pace(self) -> float:
        """How many replicates, or points, it trains in a second; what is half done is a half."""
        begun = sum(max(trial.done - trial.skipped, 0.0) for trial in self.trials)
        seconds = self.written - self.started
        return max(self.ended - self.before + begun, 0.0) / seconds if seconds > 0 else 0.0

    @property
    def ahead(self) -> float:
        """How many of them are to be trained yet."""
        return max(self.total - self.ended - sum(trial.done for trial in self.trials), 0.0)


def clock(seconds: float) -> str:
    """`seconds` as 3:05 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
