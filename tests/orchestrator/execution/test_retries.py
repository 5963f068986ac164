"""Why a trial broke off, told from the errors that Ray has for it."""

import pickle
from types import SimpleNamespace

import pytest
from ray import cloudpickle
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    NodeDiedError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
)
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2.api.exceptions import PreemptionError
from ray.train.v2.api.preemption import PreemptionInfo

from fdsweep.orchestrator.execution import retries
from fdsweep.orchestrator.execution.devices.usable import UnusableGpuError
from fdsweep.orchestrator.execution.ray_compat.trainer import NO_ROOM, NO_START, SILENT, UNWELL
from fdsweep.orchestrator.execution.retries import BrokenOffError, back_off, interruptions_told
from fdsweep.search_spaces.errors import ReplicateError

TAKEN_AWAY = RayActorError(error_msg="drained", preempted=True)
LOW = OutOfMemoryError("Memory on the node was low.")
OWN = ValueError("no such layer")
RESET = RuntimeError("Connection closed by peer")
NODE = PreemptionInfo(deadline_ms=None, preempted_node_to_ranks={"a": [0]})


def of_workers(*errors):
    return WorkerGroupError("a worker failed", dict(enumerate(errors)))


def unwell(error):
    return UNWELL("A worker health check failed.", failure=error)


def broken_off(error, workers):
    """What breaks a trial off when Ray Train ends with `error`."""
    kinds = (BrokenOffError, UnusableGpuError, type(error))
    with pytest.raises(kinds) as caught, interruptions_told(workers):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "workers", "why"),
    [
        (of_workers(unwell(ActorDiedError())), 1, "lost"),
        (of_workers(unwell(ActorUnavailableError("no answer", None))), 1, "lost"),
        (of_workers(unwell(NodeDiedError("gone"))), 1, "lost"),
        (of_workers(SILENT("it hangs")), 1, "lost"),
        (of_workers(RESET, unwell(ActorDiedError())), 2, "lost"),
        (of_workers(unwell(LOW)), 1, "memory"),
        (of_workers(unwell(ActorDiedError()), unwell(LOW)), 2, "memory"),
        (of_workers(unwell(TAKEN_AWAY)), 1, "preempted"),
        (of_workers(unwell(ActorDiedError()), unwell(TAKEN_AWAY)), 2, "preempted"),
        (PreemptionError(NODE), 1, "preempted"),
        (of_workers(RESET), 2, "worker"),
        (ControllerError(NO_ROOM(2)), 2, "room"),
        (ControllerError(NO_START("one is gone")), 1, "lost"),
        (ControllerError(ActorDiedError()), 1, "lost"),
        (ControllerError(LOW), 1, "memory"),
    ],
)
def test_what_is_no_fault_of_a_trial(error, workers, why):
    told = broken_off(error, workers)
    assert (told.why, str(told)) == (why, str(error))
    again = pickle.loads(pickle.dumps(told))
    assert (again.why, again.text) == (why, str(error))


@pytest.mark.parametrize(
    ("error", "workers"),
    [
        (of_workers(OWN), 1),
        (of_workers(ReplicateError("the loss is no longer finite")), 2),
        (of_workers(unwell(RayTaskError("poll", "text", TypeError("cannot pickle")))), 1),
        (ControllerError(OSError("No space left on device")), 1),
        (OWN, 2),
    ],
)
def test_what_is_a_trial_s_own_error_passes(error, workers):
    assert broken_off(error, workers) is error


def test_a_worker_lost_while_the_kernel_kills_for_memory_was_killed_for_memory(monkeypatch):
    kills = iter([3, 4, 4, 4])
    monkeypatch.setattr(retries, "killed_by_the_kernel", lambda: next(kills))
    lost = of_workers(unwell(ActorDiedError()))
    assert broken_off(lost, 1).why == "memory"
    assert broken_off(lost, 1).why == "lost"


def test_the_kernel_says_how_many_it_killed_or_nothing():
    assert retries.killed_by_the_kernel() >= 0


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RayTaskError("fit", "text", BrokenOffError("room", "no room")), "room"),
        (RayTaskError("fit", "text", OWN), None),
        (ActorDiedError(), "lost"),
        (TAKEN_AWAY, "preempted"),
    ],
)
def test_the_driver_learns_it_from_what_tune_keeps(tmp_path, error, cause):
    if isinstance(error, RayTaskError):
        error = error.as_instanceof_cause()  # so Ray hands it on
    path = tmp_path / "error.pkl"
    path.write_bytes(cloudpickle.dumps(error))
    trial = SimpleNamespace(pickled_error_file=str(path))
    assert retries.failure(trial) == (cause, str(error))


def test_a_gpu_that_torch_cannot_use_is_nobody_s_fault_and_ends_everything(tmp_path):
    """A worker says so while its group starts; trial and driver pass it on."""
    said = UnusableGpuError("Ray sees GPUs that torch cannot use", "node here", "Install another")
    told = broken_off(ControllerError(RayTaskError("check", "text", said).as_instanceof_cause()), 1)
    assert isinstance(told, UnusableGpuError)
    path = tmp_path / "error.pkl"
    path.write_bytes(cloudpickle.dumps(RayTaskError("fit", "text", told).as_instanceof_cause()))
    with pytest.raises(UnusableGpuError) as caught:
        retries.failure(SimpleNamespace(pickled_error_file=str(path)))
    assert str(caught.value) == str(said)


def test_what_tune_ends_by_itself_is_not_a_trial_s_own_error(tmp_path):
    told = tmp_path / "error.txt"
    told.write_text("the trial's process could not be used again")
    trial = SimpleNamespace(pickled_error_file=None, error_file=str(told))
    assert retries.failure(trial) == ("lost", told.read_text())
    trial.error_file = None
    assert retries.failure(trial) == ("lost", "the trial broke off")


def test_the_time_before_another_try_grows_up_to_a_minute():
    assert [back_off(times) for times in (1, 2, 3, 4, 5, 50)] == [1, 4, 16, 60, 60, 60]
