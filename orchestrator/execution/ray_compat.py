"""Every private thing of Ray that we use, and nothing else.

tests/orchestrator/execution/test_ray_compat.py fails when a release of Ray renames one of them.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import ray
from ray._private import services, worker
from ray._private.ray_constants import PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET
from ray._private.services import psutil as psutil
from ray.exceptions import RayError, RpcError
from ray.experimental.internal_kv import internal_kv_get_gcs_client
from ray.train import Result, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import (
    CHECKPOINT_MANAGER_SNAPSHOT_FILENAME,
    WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR,
)
from ray.train.v2._internal.execution.checkpoint.checkpoint_manager import _CheckpointManagerState
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.callback import RayTrainCallback
from ray.tune.experiment import Trial
from typing_extensions import override

SNAPSHOT = CHECKPOINT_MANAGER_SNAPSHOT_FILENAME
"""The file in which Ray Train lists a run's checkpoints, in the run's folder."""

NEVER_USED = (DatasetsCallback,)
"""Hands out Ray Data sets, in an actor of its own."""

NEEDLESS_LOCALLY = (*NEVER_USED, PlacementGroupCleanerCallback)
"""On a cluster that ends with us there is nothing to clean up after us."""


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
import socket, sys
from ray._private import services
from ray._raylet import GcsClient
address = services.canonicalize_bootstrap_address(sys.argv[1].removeprefix("ray://"))
host, _, port = address.rpartition(":")
socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
if not sys.argv[1].startswith("ray://"):
    GcsClient(address=address)
"""
"""Ends well if a cluster's head answers. `ray.init` itself may wait for many minutes."""


def head_answers(address: str, seconds: float = 20.0) -> None:
    """Ask the head of the cluster at `address`, in a process that can be given up.

    Raises:
        ConnectionError: nobody answers there within `seconds`, or something else than Ray does.
    """
    command = [sys.executable, "-c", PROBE, address]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConnectionError(f"no answer within {seconds:g} s") from None
    if asked.returncode:
        lines = asked.stderr.strip().splitlines()
        raise ConnectionError(lines[-1] if lines else f"exit code {asked.returncode}")


@contextlib.contextmanager
def loopback() -> Iterator[str]:
    """The address for a local cluster that no other machine can reach.

    Ray's servers listen on loopback alone if that is their node's address, but `ray.init` puts
    the machine's public address in its place: within this context it does not.
    """
    found = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield "127.0.0.1"
    finally:
        services.resolve_ip_for_localhost = found


def hush() -> None:
    """Keep what Ray tells the driver of deaths elsewhere in Ray's logs: stdout is for results."""
    worker.print_to_stdstream = lambda *_, **__: None


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
    try:
        (is_alive,) = node.get_gcs_client().check_alive([here], timeout=seconds)
    except RpcError as error:
        raise ConnectionError(str(error)) from None
    return "" if is_alive else "the node that this process had joined ended"


def log_folder() -> str:
    """Where the cluster of this process writes its logs on this machine; "" if nowhere."""
    node = worker._global_node
    return "" if node is None else str(node.get_logs_dir_path())


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


class LeanTrainer(TorchTrainer):  # type: ignore[misc]
    """A TorchTrainer without the helper processes that it has no use for.

    Each of them takes longer to start than a small epoch takes to train. The controller runs in
    the trial's own process, which would otherwise sleep until it is done.

    Args:
        function: what the workers run.
        handed: what it is handed.
        scaling: the workers.
        run: where and how.
        local: whether the cluster ends with us.
        patience: seconds after which a worker that does not answer is taken for dead.
    """

    def __init__(
        self,
        function: Callable[[dict[str, object]], None],
        handed: dict[str, object],
        scaling: ScalingConfig,
        run: RunConfig,
        *,
        local: bool,
        patience: float,
    ) -> None:
        self.patience = patience
        self.needless = NEEDLESS_LOCALLY if local else NEVER_USED
        super().__init__(function, train_loop_config=handed, scaling_config=scaling, run_config=run)

    @override
    def _initialize_and_run_controller(self, **parts: object) -> Result:
        os.environ[WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR] = str(self.patience)
        controller = TrainController(**parts)
        asyncio.run(controller.run())
        return controller.get_result()

    @override
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        return [one for one in callbacks if not isinstance(one, self.needless)]
