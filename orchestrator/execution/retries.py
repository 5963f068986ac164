"""Why a trial broke off, and how often it is worth another try.

Ray Train itself tries nothing again: every failure breaks the trial off, which says here why, and
the driver decides. A trial that failed by its own error is not tried again; any other goes on from
its last checkpoint.
"""

import contextlib
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.train import ControllerError, TrainingFailedError, WorkerGroupError
from ray.tune.experiment import Trial

from fdsweep.orchestrator.execution.devices.usable import UnusableGpuError
from fdsweep.orchestrator.execution.ray_compat.trainer import NO_ROOM, NO_START, SILENT, UNWELL
from fdsweep.search_spaces.errors import FdsweepError

Cause = Literal["lost", "memory", "worker", "preempted", "room"]
"""No fault of the trial: the process or the node of a part of it was lost, or lacked memory; one of
several workers failed, perhaps since another was lost; a node was taken away as announced; there
was no room for the workers."""

WORDS: dict[Cause, str] = {
    "lost": "a process or a node was lost",
    "memory": "killed for lack of memory",
    "worker": "one of its workers failed",
    "preempted": "its node was taken away",
    "room": "there was no room for its workers",
}
TRIES: dict[Cause, int] = {"lost": 3, "memory": 1, "worker": 1}
"""How often a trial is tried again; for other causes as often as it takes."""

BACK_OFF_S, LONGEST_BACK_OFF_S = 1.0, 60.0
"""Before a trial is tried again; four times as long before each further time, up to the longest."""


class BrokenOffError(Exception):
    """A trial broke off by no fault of its own; `text` is what Ray says."""

    def __init__(self, why: Cause, text: str) -> None:
        super().__init__(why, text)
        self.why, self.text = why, text

    def __str__(self) -> str:
        return self.text


@contextlib.contextmanager
def interruptions_told(workers: int) -> Iterator[None]:
    """Raise `BrokenOffError` where Ray Train breaks off by no fault of a trial of `workers`.

    The kernel does not say for what it kills a process. If it killed any of this machine for lack
    of memory, a worker that was lost meanwhile is taken for it.
    """
    before = killed_by_the_kernel()
    try:
        yield
    except TrainingFailedError as error:
        if unusable := _unusable_gpu(error):
            raise unusable from None
        why = _training_cause(error, workers)
        if why == "lost" and killed_by_the_kernel() > before:
            why = "memory"
        if why is None:
            raise
        raise BrokenOffError(why, str(error)) from None


def killed_by_the_kernel() -> int:
    """How many processes of this machine the kernel has killed for lack of memory, if it says."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def failure(trial: Trial) -> tuple[Cause | None, str]:
    """Why `trial` of Tune broke off, None if by its own error, and what Ray says.

    Raises:
        UnusableGpuError: torch cannot use the GPUs that Ray sees, for other trials neither.
    """
    pickled = trial.pickled_error_file  # in the driver's own folder
    if pickled and Path(pickled).exists():
        error = pickle.loads(Path(pickled).read_bytes())
        if isinstance(error, RayTaskError) and isinstance(error.cause, UnusableGpuError):
            raise error.cause
        return cause_of(error), str(error)
    told = trial.error_file  # alone if Tune could not use the trial's process
    return "lost", Path(told).read_text() if told else "the trial broke off"


def cause_of(error: Exception) -> Cause | None:
    """Why a trial broke off with `error`, as Tune has it; None if by its own error."""
    if isinstance(error, RayTaskError):
        return error.cause.why if isinstance(error.cause, BrokenOffError) else None
    return _process_cause(error)


def back_off(times: int) -> float:
    """Seconds before another try of a trial that broke off so many `times` for the same cause."""
    return float(min(LONGEST_BACK_OFF_S, BACK_OFF_S * 4 ** (times - 1)))


def _unusable_gpu(error: Exception) -> UnusableGpuError | None:
    """What a worker said of its GPU, if Ray Train broke off for that."""
    found = error.controller_failure if isinstance(error, ControllerError) else None
    cause = found.cause if isinstance(found, RayTaskError) else None
    return cause if isinstance(cause, UnusableGpuError) else None


def _training_cause(error: Exception, workers: int) -> Cause | None:
    if isinstance(error, WorkerGroupError):
        return _workers_cause([*error.worker_failures.values()], workers)
    if not isinstance(error, ControllerError):
        return "preempted"  # the one other kind that Ray Train knows
    found = error.controller_failure
    if isinstance(found, NO_ROOM):
        return "room"
    return "lost" if isinstance(found, NO_START) else _process_cause(found)


def _workers_cause(errors: Sequence[Exception], workers: int) -> Cause | None:
    """The first of the causes of `errors` that says more than that another worker was lost."""
    found = {_worker_cause(error) for error in errors}
    causes: tuple[Cause, ...] = ("memory", "preempted", "lost")
    for cause in causes:
        if cause in found:
            return cause
    own = all(isinstance(error, FdsweepError) for error in errors)
    return "worker" if workers > 1 and not own else None


def _worker_cause(error: Exception) -> Cause | None:
    if isinstance(error, SILENT):
        return "lost"
    if isinstance(error, UNWELL):
        return _process_cause(error.health_check_failure)
    return _process_cause(error)


def _process_cause(error: Exception) -> Cause | None:
    """Why a process ended with `error`; None if that is an error of what it ran."""
    if isinstance(error, OutOfMemoryError):
        return "memory"
    if isinstance(error, RayActorError):
        return "preempted" if error.preempted else "lost"
    return "lost" if isinstance(error, RayError) and not isinstance(error, RayTaskError) else None
