"""A trial's workers: Ray Train with as few processes as can be."""

import asyncio
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Self

import ray
from ray.exceptions import RayError
from ray.train import Result, ScalingConfig
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import (
    CHECKPOINT_MANAGER_SNAPSHOT_FILENAME,
    WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR,
)
from ray.train.v2._internal.exceptions import (
    WorkerGroupStartupFailedError,
    WorkerGroupStartupTimeoutError,
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)
from ray.train.v2._internal.execution.checkpoint.checkpoint_manager import _CheckpointManagerState
from ray.train.v2._internal.execution.checkpoint.sync_actor import SynchronizationActor
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import state as worker_group_state
from ray.train.v2._internal.execution.worker_group import worker_group
from ray.train.v2._internal.execution.worker_group.placement_group_handle import (
    DefaultPlacementGroupHandle,
)
from ray.train.v2._internal.execution.worker_group.state import WorkerGroupState
from ray.train.v2._internal.execution.worker_group.worker import Worker
from ray.train.v2._internal.execution.worker_group.worker_group import WorkerGroup
from ray.train.v2.api.callback import RayTrainCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.placement_group import get_current_placement_group
from typing_extensions import override

from fdsweep.orchestrator.execution.ray_compat.replaced import replaced

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

SNAPSHOT = CHECKPOINT_MANAGER_SNAPSHOT_FILENAME
"""The file in which Ray Train lists a run's checkpoints, in the run's folder."""

NO_ROOM, NO_START = WorkerGroupStartupTimeoutError, WorkerGroupStartupFailedError
"""Workers did not find a place in time; one of them was lost before training began."""

SILENT, UNWELL = WorkerHealthCheckTimeoutError, WorkerHealthCheckFailedError
"""A worker did not answer for long; asking it failed, by its `health_check_failure`."""

NEVER_USED = (DatasetsCallback, PlacementGroupCleanerCallback)
"""One hands out Ray Data sets, the other clears up places that are Tune's here: each in an actor
of its own."""


def checkpoint_folders(snapshot: bytes) -> set[str]:
    """The checkpoints that Ray Train wants to find beside the content of its file SNAPSHOT.

    Raises:
        ValueError: this Ray would not read it.
    """
    fields = json.loads(snapshot)
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    state = _CheckpointManagerState(**fields)
    return {one.checkpoint_dir_name for one in state.checkpoint_results}


class _Places(DefaultPlacementGroupHandle):  # type: ignore[misc]
    """The placement group that a trial was started with: Tune gives it up when the trial ends."""

    @override
    def shutdown(self) -> None:
        pass


class _Group(WorkerGroup):  # type: ignore[misc]
    """Workers in the places that their trial holds already, which outlast it if it ends well.

    In places of their own they might wait for one another, and places whose trial was killed
    would be lost for as long as the driver lives. Tune gives the process of an ended trial, its
    places included, to the next one: so do we with the processes of its workers, whose start takes
    seconds.
    """

    idle: "ClassVar[_Idle | None]" = None
    """Those of the last trial of this process, if it ended well."""

    @override
    def _create_placement_group(
        self, scaling_config: ScalingConfig, worker_group_context: object
    ) -> _Places:
        return _Places(get_current_placement_group())

    @staticmethod
    @override
    def _get_worker_runtime_env(custom_runtime_env: dict[str, object]) -> dict[str, object]:
        return custom_runtime_env  # a trial's process hands its variables on anyway

    @override
    def _start_impl(self, *parts: object) -> None:
        meeting = _Meeting(self._worker_group_context.num_workers)
        with replaced(worker_group, "SynchronizationActor", meeting):
            super()._start_impl(*parts)

    @override
    def _create_workers(
        self, *parts: object, replica_group_size: int | None, **more: object
    ) -> list[Worker]:
        idle, _Group.idle = _Group.idle, None
        if idle and idle.are_ready():
            ranked: list[Worker] = self._assign_worker_ranks(
                idle.workers, replica_group_size=replica_group_size
            )
            return ranked
        created: list[Worker] = super()._create_workers(
            *parts, replica_group_size=replica_group_size, **more
        )
        return created

    @override
    def shutdown(self) -> None:
        end, state = self._latest_poll_status, self.get_worker_group_state()
        if end and end.finished and not end.errors and not end.get_preemption_info():
            self._worker_group_state: WorkerGroupState = _Idle(**vars(state))
        super().shutdown()


class _Idle(WorkerGroupState):  # type: ignore[misc]
    """Workers whose trial ended well, and the actor at which they meet."""

    @override
    def shutdown(self) -> None:
        _Group.idle = self

    def are_ready(self) -> bool:
        """Whether all live and can start anew; else those that live are ended."""
        try:
            ray.get([worker.actor.execute.remote(_leave_process_group) for worker in self.workers])
        except RayError:
            for worker in self.workers:
                ray.kill(worker.actor)
            return False
        return True


def _leave_process_group() -> None:
    """What Ray Train leaves out where a worker is alone."""
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class _Meeting:
    """Stands for the class of the actor at which workers meet: one serves a process for long.

    A worker that is alone needs none.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def options(self, **how: object) -> Self:
        self.how = how
        return self

    def remote(self, **parts: object) -> "ActorHandle | _Alone":
        if _Group.idle:
            return _Group.idle.sync_actor
        if self.workers == 1:
            return _Alone()
        return SynchronizationActor.options(**self.how).remote(**parts)


class _Alone:
    """In place of the actor at which workers meet: what the only worker tells all is its own."""

    @property
    def broadcast_from_rank_zero(self) -> Self:
        return self

    def remote(self, *, data: object, **_: object) -> "ObjectRef":
        return ray.put(data)


def _end_meeting(place: "ActorHandle | _Alone") -> None:
    if not isinstance(place, _Alone):
        ray.kill(place)


class _Controller(TrainController):  # type: ignore[misc]
    worker_group_cls = _Group


class _Policy(FixedScalingPolicy):  # type: ignore[misc]
    """As many workers as are asked for, in the places that their trial holds.

    Ray's own asks an actor for them, whose process all the workers of a first trial would wait for,
    and which would overrule what the cluster's autoscaler was told by `ask_for_nodes`.
    """

    @override
    def _send_resource_request(self) -> None:
        pass

    @override
    def _maybe_send_resource_request(self) -> None:
        pass

    @override
    def _cancel_resource_request(self) -> None:
        pass


class LeanTrainer(DataParallelTrainer):  # type: ignore[misc]
    """Trains for a Tune trial, and starts as few processes as can be.

    Each of them takes longer to start than a small epoch takes to train. The controller runs in
    the trial's own process, which would otherwise sleep until it is done, and the workers in the
    trial's placement group, which has a bundle for each; they are the last trial's if that ended
    well in the same process.

    Args:
        function: what the workers run.
        patience: seconds after which a worker that does not answer is taken for dead.
        parts: what else a trainer of Ray's takes.
    """

    def __init__(
        self, function: Callable[[dict[str, object]], None], *, patience: float, **parts: object
    ) -> None:
        self.patience = patience
        super().__init__(function, **parts)

    @override
    def _initialize_and_run_controller(self, **parts: object) -> Result:
        os.environ[WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR] = str(self.patience)
        controller = _Controller(**parts | {"scaling_policy": _Policy(self.scaling_config)})
        with replaced(worker_group_state, "_shutdown_sync_actor", _end_meeting):
            asyncio.run(controller.run())
        return controller.get_result()

    @override
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        return [one for one in callbacks if not isinstance(one, NEVER_USED)]
