"""Trials of Tune: whose process ended, and what it is asked for."""

import contextlib
from collections.abc import Iterator

import ray
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.tune.execution import class_cache, tune_controller
from ray.tune.experiment import Trial
from typing_extensions import override

from fdsweep.orchestrator.execution.ray_compat.replaced import replaced


def keep_keys_back() -> None:
    """Keep the keys of object storage out of what Tune asks for each trial's process.

    Ray writes such variables into its logs.
    """
    kept = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
    class_cache.ENV_VARS_TO_PROPAGATE.difference_update(kept)


def ask_for_no_variables() -> None:
    """Let trials take the processes that a local cluster has started already.

    They have all variables from this process. A process with variables of its own would be started
    for each trial, after an agent of Ray's was asked about them.
    """
    class_cache.DEFAULT_ENV_VARS.clear()
    class_cache.ENV_VARS_TO_PROPAGATE.clear()


def end_process(trial: Trial) -> None:
    """Kill the process of a trial of Tune, which takes it for lost."""
    if trial.temporary_state.ray_actor:
        ray.kill(trial.temporary_state.ray_actor)


class ActorMemoryError(RayActorError, OutOfMemoryError):  # type: ignore[misc]
    """A trial's own process was killed by Ray's memory monitor."""

    def __init__(self, message: str) -> None:
        RayActorError.__init__(self, error_msg=message)
        self.message = message


class _Actors(RayActorManager):  # type: ignore[misc]
    """Takes whatever Ray says of a trial's process for an actor's error."""

    @override
    def _actor_start_failed(self, tracked_actor: object, exception: Exception) -> None:
        super()._actor_start_failed(tracked_actor, _as_actor_error(exception))

    @override
    def _actor_task_failed(self, tracked_actor_task: object, exception: Exception) -> None:
        super()._actor_task_failed(tracked_actor_task, _as_actor_error(exception))


@contextlib.contextmanager
def every_death_told() -> Iterator[None]:
    """Let Tune tell of every trial whose process ended.

    Where Ray names another reason than a crash, lack of memory for one, Tune knows no better than
    to end all trials with a RuntimeError.
    """
    with replaced(tune_controller, "RayActorManager", _Actors):
        yield


def _as_actor_error(error: Exception) -> Exception:
    if isinstance(error, OutOfMemoryError):
        return ActorMemoryError(str(error))
    if not isinstance(error, RayError) or isinstance(error, RayActorError | RayTaskError):
        return error
    told: Exception = RayActorError(error_msg=str(error))
    return told
