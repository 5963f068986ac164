"""Trials one after the other, each when there is room for it and nobody else trains it.

One that broke off by no fault of its own has another turn.
"""

import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ray.tune.search import Searcher
from typing_extensions import override

from fdsweep.orchestrator.execution import checkpoints
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.leases import Leases, replicate
from fdsweep.orchestrator.execution.retries import TRIES, WORDS, Cause, back_off
from fdsweep.orchestrator.execution.trial import train_name
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers import teachers


class Turns:
    """Leases each of `trials` when its turn comes, and sorts out what others train or trained.

    A trial's name is leased with its replicates: it is the name of a folder of Ray's.

    Attributes:
        others: what other drivers train.
        blocked: names of their leases.
        stored: what they had trained when the turn came.
    """

    def __init__(self, trials: Sequence[TrialConfig], leases: Leases) -> None:
        self.trials, self.leases = trials, leases
        self.others: list[TrialConfig] = []
        self.blocked: list[str] = []
        self.stored: list[TrialConfig] = []

    def __iter__(self) -> Iterator[TrialConfig]:
        for trial in self.trials:
            name = train_name(trial)
            if not self.leases.take([name]):
                self._leave(trial, [name])
                continue
            mine = self._take(trial)
            yield from mine
            if not mine:
                self.leases.free([name])

    def free(self, trial: TrialConfig) -> None:
        """Give up the leases of `trial`."""
        self.leases.free([train_name(trial), *(_replicate(trial, seed) for seed in trial.seeds)])

    def _take(self, trial: TrialConfig) -> list[TrialConfig]:
        """`trial` with those seeds that are this driver's to train, if there are any."""
        names = {seed: _replicate(trial, seed) for seed in trial.seeds}
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

    @override
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if len(self.running) >= self.room.places():
            return None
        job = self._due() or self._first()
        if job is None:
            finished: str = Searcher.FINISHED
            return None if self.running or self.waiting else finished
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
            most = self.room.halve(job.beside)
            kind = self.room.kind + ("s" if most > 1 else "")
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
    """A queue of `trials`."""

    def __init__(self, trials: Iterator[TrialConfig], room: Room) -> None:
        super().__init__(room)
        self.trials = trials

    @override
    def new(self) -> dict[str, Any] | None:
        trial = next(self.trials, None)
        return {"trial": trial} if trial else None

    @override
    def folder(self, config: dict[str, Any]) -> tuple[str, str]:
        trial: TrialConfig = config["trial"]
        return trial.storage, train_name(trial)


def missing(trial: TrialConfig) -> tuple[int, ...]:
    """The seeds of `trial` whose outcome is not in the storage."""
    if trial.keeps_weights:
        return teachers.missing(trial.storage, trial.key, trial.seeds)
    done = Store(trial.storage).finished({trial.key})
    return tuple(seed for seed in trial.seeds if (trial.key, seed) not in done)


def part(trial: TrialConfig, seeds: Collection[int]) -> list[TrialConfig]:
    """`trial` with those of its seeds that are among `seeds`; nothing if none is."""
    own = tuple(seed for seed in trial.seeds if seed in seeds)
    return [replace(trial, seeds=own)] if own else []


def _replicate(trial: TrialConfig, seed: int) -> str:
    return replicate(trial.key, seed)
