"""Trials one after the other, each when there is room for it and nobody else trains it.

A student's turn comes when its teachers have ended. What broke off by no fault of its own has
another turn.
"""

import time
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ray.tune.search import Searcher
from typing_extensions import override

from fdsweep.orchestrator.execution import checkpoints
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.leases import Leases, replicate
from fdsweep.orchestrator.execution.retries import TRIES, WORDS, Cause, back_off
from fdsweep.orchestrator.execution.trial import train_name
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers import teachers

KeyAndSeed = tuple[str, int]
"""Which replicate."""


class Turns:
    """Leases each of `trials` when its turn comes, and sorts out what others train or trained.

    A student's turn comes when those of its teachers that are among `trials`, before it, are
    `over`: where none is left whose turn has come, others may have theirs later. A trial's name is
    leased with its replicates: it is the name of a folder of Ray's.

    Args:
        trials: teachers first.
        leases: this driver's.
        failed: (key, seed) of teachers that cannot be trained; those that fail are added.

    Attributes:
        others: what other drivers train, and the students of teachers that they train.
        blocked: names of their leases.
        stored: what they had trained when the turn came.
        orphans: students whose teacher failed.
    """

    def __init__(
        self, trials: Sequence[TrialConfig], leases: Leases, failed: Collection[KeyAndSeed] = ()
    ) -> None:
        self.coming, self.held_up = deque(trials), deque[TrialConfig]()
        self.leases, self.failed = leases, {*failed}
        self.ahead = {one for trial in trials if trial.kind == "teacher" for one in _all(trial)}
        self.absent: set[KeyAndSeed] = set()
        self.others: list[TrialConfig] = []
        self.blocked: list[str] = []
        self.stored: list[TrialConfig] = []
        self.orphans: list[TrialConfig] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> TrialConfig:
        while self.coming:
            trial = self.coming.popleft()
            if _learners(trial, self.ahead):
                self.held_up.append(trial)
                continue
            lacking, orphans = _learners(trial, self.absent), _learners(trial, self.failed)
            self.others += part(trial, lacking)
            self.orphans += part(trial, orphans - lacking)
            for able in part(trial, {*trial.seeds} - lacking - orphans):
                mine = self._leased(able)
                self.ahead -= {*_all(able)} - {one for own in mine for one in _all(own)}
                if mine:
                    return mine[0]
        raise StopIteration

    @property
    def left(self) -> int:
        """How many of the trials have not had their turn."""
        return len(self.held_up) + len(self.coming)

    @property
    def able(self) -> int:
        """How many of the trials that are left have no teacher ahead of them."""
        return sum(not _learners(trial, self.ahead) for trial in (*self.held_up, *self.coming))

    def over(self, trial: TrialConfig) -> bool:
        """Let the students of `trial` have their turns: it has ended. False if it is no teacher."""
        if self.ahead.isdisjoint(_all(trial)):
            return False
        self.ahead.difference_update(_all(trial))
        self.coming = self.held_up + self.coming
        self.held_up = deque()
        return True

    def free(self, trial: TrialConfig) -> None:
        """Give up the leases of `trial`."""
        self.leases.free([train_name(trial), *(replicate(*one) for one in _all(trial))])

    def _leased(self, trial: TrialConfig) -> list[TrialConfig]:
        """What of `trial` is this driver's to train, under its leases."""
        name = train_name(trial)
        if not self.leases.take([name]):
            self._leave(trial, [name])
            return []
        mine = self._take(trial)
        if not mine:
            self.leases.free([name])
        return mine

    def _take(self, trial: TrialConfig) -> list[TrialConfig]:
        """`trial` with those seeds that are this driver's to train, if there are any."""
        names = {seed: replicate(trial.key, seed) for seed in trial.seeds}
        taken = set(self.leases.take(list(names.values())))
        mine = {seed for seed, name in names.items() if name in taken}
        for refused in part(trial, {*names} - mine):
            self._leave(refused, [names[seed] for seed in refused.seeds])
        # Under the lease: another driver may have trained it since it was planned.
        left = {seed for own in part(trial, mine) for seed in missing(own)}
        self.stored += part(trial, mine - left)
        self.leases.free(names[seed] for seed in mine - left)
        return part(trial, left)

    def _leave(self, trial: TrialConfig, leases: Sequence[str]) -> None:
        self.others.append(trial)
        self.absent.update(_all(trial))
        self.blocked += leases


@dataclass
class _Job:
    """What was handed to Tune.

    Attributes:
        config: a trial's.
        broken: how often it broke off, by cause.
        not_before: time.monotonic() from which on it is tried again.
        beside: the most that ran at the same time as it did, itself among them.
    """

    config: dict[str, Any]
    broken: Counter[Cause] = field(default_factory=Counter)
    not_before: float = 0.0
    beside: int = 0


class Queue(Searcher):  # type: ignore[misc]
    """Hands Tune one trial after the other whenever there is room, and again what broke off.

    Args:
        room: how many may run at the same time; nothing new begins once its budget is spent.
    """

    def __init__(self, room: Room) -> None:
        super().__init__()
        self.room, self.budget = room, room.resources.budget
        self.running: dict[str, _Job] = {}
        self.waiting: list[_Job] = []

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles its searcher; this one is of no use in another process

    @abstractmethod
    def new(self) -> dict[str, Any] | None:
        """The configuration of the next trial, None if there is none."""

    @abstractmethod
    def folder(self, config: dict[str, Any]) -> tuple[str, str]:
        """The storage of a trial, and its name there."""

    @abstractmethod
    def kind(self, config: dict[str, Any]) -> str:
        """What a trial is called for people."""

    def has_work(self) -> bool:
        """Whether a trial waits for room: one is taken in hand if none does."""
        if not self.waiting and (job := self._first()):
            self.waiting.append(job)
        return bool(self.waiting)

    @override
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        kinds = {self.kind(job.config) for job in self.running.values()}
        if len(self.running) >= self.room.places(kinds):
            return None
        job = self._due() or self._first()
        if job is None:
            finished: str = Searcher.FINISHED
            return None if self.running or self.waiting else finished
        if len(self.running) >= self.room.places({*kinds, self.kind(job.config)}):
            self.waiting.insert(0, job)  # nothing else begins until there is room for it
            return None
        checkpoints.drop_damaged(*self.folder(job.config))
        self.running[trial_id] = job
        for one in self.running.values():
            one.beside = max(one.beside, len(self.running))
        return job.config

    @override
    def on_trial_complete(
        self, trial_id: str, result: dict[str, object] | None = None, error: bool = False
    ) -> None:
        if not error:  # why one broke off is not known yet: `broke_off` is called
            del self.running[trial_id]

    def broke_off(self, trial_id: str, cause: Cause | None) -> str:
        """What is done about a trial that broke off, in words; "" if it has failed for good."""
        job = self.running.pop(trial_id)
        if cause is None:
            return ""
        job.broken[cause] += 1
        if job.broken[cause] > TRIES.get(cause, job.broken[cause]):
            return ""
        seconds = back_off(job.broken[cause])
        job.not_before = time.monotonic() + seconds
        self.waiting.append(job)
        if cause == "memory":
            kind = self.kind(job.config)
            most = self.room.halve(kind, job.beside)
            kind += "s" if most > 1 else ""
            return f"{WORDS[cause]}; tried once more, with at most {most} {kind} at a time"
        return f"{WORDS[cause]}; tried again in {seconds:g} s"

    def _due(self) -> _Job | None:
        """The first of what waits for another try whose time has come."""
        now = time.monotonic()
        for i, job in enumerate(self.waiting):
            if job.not_before <= now:
                return self.waiting.pop(i)
        return None

    def _first(self) -> _Job | None:
        config = None if self.budget.is_spent else self.new()
        return _Job(config) if config else None

    @override
    def save(self, checkpoint_path: str) -> None:
        pass  # what is left is planned anew

    @override
    def restore(self, checkpoint_path: str) -> None:
        pass


class InTurn(Queue):
    """A queue of `trials`, which may have another one after they had none."""

    def __init__(self, trials: Iterator[TrialConfig], room: Room) -> None:
        super().__init__(room)
        self.trials = trials

    @override
    def new(self) -> dict[str, Any] | None:
        trial = next(self.trials, None)
        return {"trial": trial} if trial else None

    @override
    def kind(self, config: dict[str, Any]) -> str:
        trial: TrialConfig = config["trial"]
        return trial.kind

    @override
    def folder(self, config: dict[str, Any]) -> tuple[str, str]:
        trial: TrialConfig = config["trial"]
        return trial.storage, train_name(trial)


def missing(trial: TrialConfig) -> tuple[int, ...]:
    """The seeds of `trial` whose outcome is not in the storage."""
    if trial.keeps_weights:
        return teachers.missing(trial.storage, trial.key, trial.seeds)
    store = Store(trial.storage)
    if not any(map(store.exists, _rows(trial))):  # to look through all rows takes longer and longer
        return trial.seeds
    done = store.finished({trial.key})
    return tuple(seed for seed in trial.seeds if (trial.key, seed) not in done)


def _rows(trial: TrialConfig) -> Iterator[str]:
    """Where the rows of `trial` are stored by whoever trains it."""
    for seed in trial.seeds:
        yield f"{layout.RESULTS}/{layout.replicate_file(trial.key, seed)}"


def part(trial: TrialConfig, seeds: Collection[int]) -> list[TrialConfig]:
    """`trial` with those of its seeds that are among `seeds`; nothing if none is."""
    own = tuple(seed for seed in trial.seeds if seed in seeds)
    return [replace(trial, seeds=own)] if own else []


def _learners(trial: TrialConfig, teachers: Collection[KeyAndSeed]) -> set[int]:
    """The seeds of `trial` that learn from one of `teachers`."""
    keys = trial.config.teacher_keys if teachers else ()
    return {seed for seed in trial.seeds if any((key, seed) in teachers for key in keys)}


def _all(trial: TrialConfig) -> list[KeyAndSeed]:
    return [(trial.key, seed) for seed in trial.seeds]
