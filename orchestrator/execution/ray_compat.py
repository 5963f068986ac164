"""Every private thing of Ray that we use, and nothing else.

tests/orchestrator/execution/test_ray_compat.py fails when a release of Ray renames one of them.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Self

import ray
from ray._private import services, worker
from ray._private.ray_constants import PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET
from ray._private.services import psutil as psutil
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError, RpcError
from ray.experimental.internal_kv import internal_kv_get_gcs_client
from ray.train import Result, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.torch.config import _TorchBackend
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
from ray.train.v2._internal.execution.worker_group.execution_group import ExecutionGroup
from ray.train.v2._internal.execution.worker_group.placement_group_handle import (
    DefaultPlacementGroupHandle,
)
from ray.train.v2._internal.execution.worker_group.state import WorkerGroupState
from ray.train.v2._internal.execution.worker_group.worker import Worker
from ray.train.v2._internal.execution.worker_group.worker_group import WorkerGroup
from ray.train.v2.api.callback import RayTrainCallback
from ray.tune.execution import class_cache, tune_controller
from ray.tune.experiment import Trial
from ray.util.placement_group import get_current_placement_group
from typing_extensions import override

from fdsweep.orchestrator.execution.devices import usable

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


PROBE = """
import signal, socket, sys
from ray._private import services
from ray._raylet import GcsClient
signal.alarm(int(sys.argv[2]))
address = services.canonicalize_bootstrap_address(sys.argv[1].removeprefix("ray://"))
host, _, port = address.rpartition(":")
socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
if not sys.argv[1].startswith("ray://"):
    GcsClient(address=address)
"""
"""Ends well if a cluster's head answers. `ray.init` itself may wait for many minutes."""


def head_answers(address: str, seconds: int = 20, **environment: str) -> None:
    """Ask the head of the cluster at `address`, in a process that can be given up.

    `environment` are variables of that process alone. Its start, which takes long on a machine
    with much to do, does not count among the `seconds`.

    Raises:
        ConnectionError: nobody answers there within `seconds`, or something else than Ray does.
    """
    command = [sys.executable, "-c", PROBE, address, str(seconds)]
    asked = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if asked.returncode == -signal.SIGALRM:
        raise ConnectionError(f"no answer within {seconds} s")
    if asked.returncode:
        lines = asked.stderr.strip().splitlines()
        raise ConnectionError(lines[-1] if lines else f"exit code {asked.returncode}")


@contextlib.contextmanager
def loopback() -> Iterator[str]:
    """The address for a local cluster that no other machine can reach.

    Ray's servers listen on loopback alone if that is their node's address, but `ray.init` puts
    the machine's public address in its place: within this context it does not.
    """
    with _replaced(services, "resolve_ip_for_localhost", lambda host: host):
        yield "127.0.0.1"


@contextlib.contextmanager
def sigterm_kept() -> Iterator[None]:
    """Within it Ray may take SIGTERM for itself, to end with its own stack; after it, no more."""
    found = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, found)


def hush() -> None:
    """Keep what Ray tells the driver of deaths elsewhere in Ray's logs: stdout is for results."""
    worker.print_to_stdstream = lambda *_, **__: None


def keep_keys_back() -> None:
    """Keep the keys of object storage out of what Tune asks for each trial's process.

    Ray writes such variables into its logs. Processes of a local cluster have them from this one.
    """
    kept = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
    class_cache.ENV_VARS_TO_PROPAGATE.difference_update(kept)


SERVERS = (PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET)
"""Without one of these a cluster is gone; Ray starts none of them again."""


def fault(seconds: float = 5.0) -> str:
    """Why the cluster of this process is gone for certain; "" if it is not.

    Raises:
        ConnectionError: the head of the cluster that was joined does not answer within `seconds`.
    """
    node = worker._global_node
    if node is None:
        return ""
    for name, (server, *_) in list(node.all_processes.items()):
        if name in SERVERS and server.process.poll() is not None:
            return f"its {name} ended"
    if node.all_processes:
        return ""
    here = worker.global_worker.current_node_id
    host, _, port = node.gcs_address.rpartition(":")
    try:
        # Ray's own question waits for a minute where nobody listens, whatever its timeout says.
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
        (is_alive,) = node.get_gcs_client().check_alive([here], timeout=seconds)
    except (RpcError, OSError) as error:
        raise ConnectionError(str(error)) from None
    return "" if is_alive else "the node that this process had joined ended"


def log_folder() -> str:
    """Where the cluster of this process writes its logs on this machine; "" if nowhere."""
    node = worker._global_node
    return "" if node is None else str(node.get_logs_dir_path())


def dashboard() -> str:
    """The address of the dashboard of this process's cluster; "" if it has none."""
    node = worker._global_node
    return f"http://{node.webui_url}" if node and node.webui_url else ""


def is_up() -> bool:
    """Whether this process has a cluster, or part of one whose start was cut off."""
    return ray.is_initialized() or bool(own_processes())


def own_processes() -> list[psutil.Process]:
    """Ray's programs that this process has started, and all that came from them."""
    programs = str(Path(ray.__file__).parent)
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if any(argument.startswith(programs) for argument in child.cmdline()):
                found += [child, *child.children(recursive=True)]
    return found


SIGNS = b"fdsweep"
"""The namespace of our keys among those that Ray keeps in the cluster's head."""

SIGNS_TIMEOUT_S = 5.0


def ask_for_nodes(bundles: Sequence[Mapping[str, float]]) -> None:
    """Have the cluster's autoscaler, if there is one, make room for `bundles`; none takes it back.

    A cluster has one such wish, which outlives who had it.
    """
    from ray.autoscaler.sdk import request_resources  # which few clusters need

    with contextlib.suppress(RayError, RpcError, ConnectionError):
        if not fault():
            request_resources(bundles=[dict(bundle) for bundle in bundles])


def put_sign(name: str, sign: str) -> None:
    """Keep the `sign` of `name` in the cluster's head, if that answers."""
    with contextlib.suppress(RayError):
        head = internal_kv_get_gcs_client()
        head.internal_kv_put(name.encode(), sign.encode(), True, SIGNS, SIGNS_TIMEOUT_S)


def signs(names: Collection[str]) -> dict[str, str] | None:
    """The signs of those of `names` that have one; None if the cluster's head does not answer."""
    keys = [name.encode() for name in names]
    try:
        found = internal_kv_get_gcs_client().internal_kv_multi_get(keys, SIGNS, SIGNS_TIMEOUT_S)
    except RayError:
        return None
    return {name.decode(): sign.decode() for name, sign in found.items()}


def drop_sign(name: str) -> None:
    """Forget the sign of `name`."""
    with contextlib.suppress(RayError):
        internal_kv_get_gcs_client().internal_kv_del(name.encode(), False, SIGNS, SIGNS_TIMEOUT_S)


def end_process(trial: Trial) -> None:
    """Kill the process of a trial of Tune, which takes it for lost."""
    if trial.temporary_state.ray_actor:
        ray.kill(trial.temporary_state.ray_actor)


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

    @override
    def _start_impl(self, *parts: object) -> None:
        meeting = _Meeting(self._worker_group_context.num_workers)
        with _replaced(worker_group, "SynchronizationActor", meeting):
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


@contextlib.contextmanager
def _replaced(module: ModuleType, name: str, stand_in: object) -> Iterator[None]:
    """Inside, `stand_in` is what `module` finds under `name`."""
    found = getattr(module, name)
    setattr(module, name, stand_in)
    try:
        yield
    finally:
        setattr(module, name, found)


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


class _Backend(_TorchBackend):  # type: ignore[misc]
    """Torch's, once each worker has looked at the GPU that it was given."""

    @override
    def on_start(self, worker_group: ExecutionGroup, backend_config: TorchConfig) -> None:
        if worker_group.get_resources_per_worker().get("GPU"):
            worker_group.execute(usable.check)
        super().on_start(worker_group, backend_config)


class CheckedTorch(TorchConfig):  # type: ignore[misc]
    """Says in a sentence that torch cannot use a GPU, where NCCL would fail for another reason."""

    @property
    @override
    def backend_cls(self) -> type[_Backend]:
        return _Backend


class LeanTrainer(TorchTrainer):  # type: ignore[misc]
    """A TorchTrainer for a Tune trial that starts as few processes as can be.

    Each of them takes longer to start than a small epoch takes to train. The controller runs in
    the trial's own process, which would otherwise sleep until it is done, and the workers in the
    trial's placement group, which has a bundle for each; they are the last trial's if that ended
    well in the same process.

    Args:
        function: what the workers run.
        patience: seconds after which a worker that does not answer is taken for dead.
        parts: what else a TorchTrainer takes.
    """

    def __init__(
        self, function: Callable[[dict[str, object]], None], *, patience: float, **parts: object
    ) -> None:
        self.patience = patience
        super().__init__(function, torch_config=CheckedTorch(), **parts)

    @override
    def _initialize_and_run_controller(self, **parts: object) -> Result:
        os.environ[WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR] = str(self.patience)
        controller = _Controller(**parts | {"scaling_policy": _Policy(self.scaling_config)})
        with _replaced(worker_group_state, "_shutdown_sync_actor", _end_meeting):
            asyncio.run(controller.run())
        return controller.get_result()

    @override
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        return [one for one in callbacks if not isinstance(one, NEVER_USED)]


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
    with _replaced(tune_controller, "RayActorManager", _Actors):
        yield


def _as_actor_error(error: Exception) -> Exception:
    if isinstance(error, OutOfMemoryError):
        return ActorMemoryError(str(error))
    if not isinstance(error, RayError) or isinstance(error, RayActorError | RayTaskError):
        return error
    told: Exception = RayActorError(error_msg=str(error))
    return told
