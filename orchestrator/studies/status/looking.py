"""What a storage says of its sweeps: finished replicates, and bulletins of drivers."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fdsweep.orchestrator.bulletins.hearing import Heard, Listener
from fdsweep.orchestrator.bulletins.record import Best, Training
from fdsweep.orchestrator.execution.devices.budget import HOUR
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.store import Store
from fdsweep.results.records.store.rows import State

ROWS_EVERY_S = 30.0
"""Rows are read again after so long, or when a driver says that it has trained something."""


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """How far a sweep is, or searches that run together: these are known by bulletins alone.

    `total` counts replicates of students, of searches trials. `running` are those in training now,
    by drivers that are heard of, `device_hours` what all ended ones took. Of searches `dataset` and
    `seeds` are empty, and hours are not known.
    """

    sweep: str
    title: str
    dataset: str
    seeds: tuple[int, ...]
    total: int
    done: int
    failed: int
    pruned: int
    running: int
    drivers: tuple[Heard, ...]
    device_hours: float = 0.0

    @property
    def left(self) -> int:
        """Neither ended nor in training; a failed one that is tried again is left no more."""
        return max(self.total - self.done - self.failed - self.pruned - self.running, 0)

    @property
    def at_work(self) -> list[Heard]:
        """The drivers that are heard of."""
        return [one for one in self.drivers if one.state == "running"]

    @property
    def teachers(self) -> int:
        """Trials of teachers in training, which a sweep's `total` does not count."""
        trials = [trial for one in self.at_work for trial in one.bulletin.trials]
        return sum(trial.kind == "teacher" for trial in trials) if self.seeds else 0

    @property
    def best(self) -> Best | None:
        """What drivers at work have reached, if any has."""
        found = [one.bulletin.best for one in self.at_work if one.bulletin.best]
        return max(found, key=lambda best: best.score, default=None)

    @property
    def seconds_left(self) -> float | None:
        """At the pace of the drivers at work, which share what is ahead; None before there is one.

        Each of them counts all that is ahead, less what it knows that others have trained.
        """
        pace = sum(one.bulletin.pace for one in self.at_work)
        if not pace:
            return None
        ahead = max(one.bulletin.ahead for one in self.at_work)
        return max(ahead / pace - min(one.age for one in self.at_work), 0.0)

    @property
    def is_open(self) -> bool:
        """Whether something is left, or in training."""
        return bool(self.left or self.running or self.at_work)


class Looking:
    """Looks at a storage once, or again and again.

    Args:
        store: what is looked at.
        sweep: the name of a sweep or of searches that run, or the start of it, or "last", the sweep
            that was run last; all without one.

    Raises:
        ConfigError: at the first look, if nothing or more than one goes by that name.
    """

    def __init__(self, store: Store, sweep: str | None = None) -> None:
        self.store, self.given = store, sweep
        self.name: str | None = None
        self.listener = Listener()
        self.rows: list[tuple[Manifest, list[State | None]]] = []
        self.read, self.told = -ROWS_EVERY_S, ""

    def look(self) -> list[SweepStatus]:
        """What there is now: searches first, then sweeps, the one that was run last first.

        Raises:
            StorageError: the storage cannot be read.
        """
        heard = self.listener.hear(self.store)
        told = str([(x.bulletin.driver, x.bulletin.ended, x.bulletin.stopped) for x in heard])
        if told != self.told or time.monotonic() - self.read >= ROWS_EVERY_S:
            self.rows = self._known()
            self.told, self.read = told, time.monotonic()
        known = {manifest.sweep for manifest, _ in self.rows}
        others = dict.fromkeys(x.bulletin.sweep for x in heard if x.bulletin.sweep not in known)
        found = [_of_bulletins(name, _those_of(name, heard)) for name in others]
        found += [_of_rows(*row, _those_of(row[0].sweep, heard)) for row in self.rows]
        return self._chosen(found)

    def _known(self) -> list[tuple[Manifest, list[State | None]]]:
        """Each sweep with the states of its replicates, None for those that have none."""
        states = self.store.states()
        return [
            (
                manifest,
                [
                    states.get((key, seed))
                    for key in {row.key for row in manifest.rows}
                    for seed in manifest.seeds
                ],
            )
            for manifest in manifests.load_all(self.store)
        ]

    def _chosen(self, found: list[SweepStatus]) -> list[SweepStatus]:
        if self.given is None:
            return found
        if self.name is None:
            names = [status.sweep for status in found]
            newest = self.rows[0][0].sweep if self.rows else self.given
            given = newest if self.given == manifests.LAST else self.given
            self.name = manifests.called(given, names, self.store.root)
        return [status for status in found if status.sweep == self.name]


def _those_of(sweep: str, heard: Sequence[Heard]) -> tuple[Heard, ...]:
    return tuple(one for one in heard if one.bulletin.sweep == sweep)


def _of_rows(
    manifest: Manifest, states: Sequence[State | None], drivers: tuple[Heard, ...]
) -> SweepStatus:
    """How far a sweep is by its rows; drivers that ended matter as long as something is left."""
    counts = Counter(state and state.status for state in states)
    total, done = counts.total(), counts["done"]
    trials = [trial for one in drivers if one.state == "running" for trial in one.bulletin.trials]
    return SweepStatus(
        sweep=manifest.sweep,
        title=manifest.title,
        dataset=manifest.dataset,
        seeds=manifest.seeds,
        total=total,
        done=done,
        failed=counts["failed"],
        pruned=0,
        running=sum(trial.kind == "student" for trial in trials),
        drivers=tuple(one for one in drivers if done < total or one.state == "running"),
        device_hours=sum(state.device_seconds for state in states if state) / HOUR,
    )


def _of_bulletins(name: str, drivers: tuple[Heard, ...]) -> SweepStatus:
    """How far searches are, or whatever has no table, by what the last of its drivers says."""
    last = min(drivers, key=lambda one: one.age)
    bulletin = last.bulletin
    return SweepStatus(
        sweep=name,
        title=bulletin.title,
        dataset="",
        seeds=(),
        total=bulletin.total,
        done=bulletin.done,
        failed=bulletin.failed,
        pruned=bulletin.pruned,
        running=len(bulletin.trials) if last.state == "running" else 0,
        drivers=drivers,
    )


def to_json(status: SweepStatus) -> dict[str, Any]:
    """`status` as a document; times are in seconds, counted back from now."""
    fields = ("sweep", "title", "dataset", "total", "done", "failed", "pruned", "running", "left")
    return {
        **{name: getattr(status, name) for name in fields},
        "seeds": list(status.seeds),
        "best": status.best and status.best.model_dump(),
        "seconds_left": status.seconds_left,
        "device_hours": status.device_hours,
        "drivers": [_driver(one) for one in status.drivers],
    }


def _driver(heard: Heard) -> dict[str, Any]:
    bulletin = heard.bulletin
    fields = ("driver", "host", "pid", "total", "done", "failed", "pruned")
    return {
        **{name: getattr(bulletin, name) for name in fields},
        "state": heard.state,
        "heard": heard.age,
        "started": heard.now - bulletin.started,
        "trials": [_trial(trial, heard.now) for trial in bulletin.trials],
        "said": [{"at": heard.now - line.at, "text": line.text} for line in bulletin.said],
    }


def _trial(trial: Training, now: float) -> dict[str, Any]:
    fields = {"name", "kind", "seed", "seeds", "epoch", "epochs", "rungs", "split", "score", "best"}
    return {
        **trial.model_dump(mode="json", include=fields),
        "started": now - trial.since,
        "silent": None if trial.silent_since is None else now - trial.silent_since,
        "seconds_left": trial.seconds_left(now),
    }
