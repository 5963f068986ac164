"""Trackers: who is told of every run from its start, beside the results. MLflow is one."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Self

from fdsweep.orchestrator.tracking.runs import Identity, Point, Run, Summary
from fdsweep.trainers.registry import Registry

DEFAULT = "mlflow"
CHOICE = "FDSWEEP_TRACKER"
"""The environment variable that names another tracker."""


IsTrained = Callable[[Identity], bool]
"""Whether a driver may have the replicate or the trial in training."""


class Tracker(Protocol):
    """Writes one sweep's runs. No call may wait for a disk or a server: training waits for it.

    Use as a context manager: leaving it waits until everything is written. What cannot be is said
    once on stderr, and stops nobody: no method raises. Nothing is written of a sweep that is told
    of nothing.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None: ...

    def end_lost(self, is_trained: IsTrained) -> None:
        """Say of what is shown as in training, and is no more, that it was cut off.

        Training begins soon, and will need the cores: what is slow to import or to open may be so
        now.
        """

    def begin(self, run: Run) -> None:
        """Show that a replicate or a search's trial is in training; `run` has no metrics yet.

        One that went on after a break goes on in the same run.
        """

    def add(self, identity: Identity, metrics: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add what is new of a run that has begun; what is not in training is passed over."""

    def log(self, run: Run) -> None:
        """Add the whole run of a replicate or a trial that ended; one that is done is added once.

        If it has begun, that run is completed.
        """

    def finish(
        self,
        texts: Mapping[str, str],
        numbers: Mapping[str, float],
        pictures: Mapping[str, bytes],
        summaries: Sequence[Summary] = (),
    ) -> None:
        """Add texts and pictures (file name -> content) and numbers that stand for all runs.

        `summaries` are the lines of the sweep's table.
        """


Factory = Callable[[str, str, Mapping[str, str]], Tracker]
"""Makes a tracker from the storage, the sweep's name, and tags of all its runs."""

registry = Registry[Tracker]("tracker", "fdsweep.orchestrator.tracking", "fdsweep.trackers")
"""Trackers by name; each is a `Factory`."""


def open_tracker(storage: str, sweep: str, tags: Mapping[str, str]) -> Tracker:
    """The tracker that FDSWEEP_TRACKER names, MLflow unless it is set.

    Raises:
        ConfigError: there is no such tracker, or it cannot be imported.
        StorageError: it can never write there.
    """
    return registry.get(os.environ.get(CHOICE) or DEFAULT).factory(storage, sweep, tags)
