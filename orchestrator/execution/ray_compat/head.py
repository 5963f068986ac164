"""The cluster of this process: its head and what is kept there, its programs, its addresses."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import ray
from ray._private import services, worker
from ray._private.node import Node
from ray._private.ray_constants import PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET
from ray._private.services import psutil as psutil
from ray.exceptions import RayError, RpcError
from ray.experimental.internal_kv import internal_kv_get_gcs_client

from fdsweep.orchestrator.execution.ray_compat.replaced import replaced

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
    with replaced(services, "resolve_ip_for_localhost", lambda host: host):
        yield "127.0.0.1"


UNUSED = ("start_monitor", "start_api_server")
"""How a head starts its autoscaler, which a lone node has no use for, and its dashboard, which is a
process also where there is to be none."""


@contextlib.contextmanager
def few_servers(*, logs: bool) -> Iterator[None]:
    """Within it a local cluster is started without what no study here asks.

    Each is a process that costs seconds of a core before the first trial; what passes the workers'
    output on to the driver is started if that wants their `logs`.
    """
    with contextlib.ExitStack() as stack:
        for name in UNUSED if logs else (*UNUSED, "start_log_monitor"):
            stack.enter_context(replaced(Node, name, lambda *_, **__: None))
        yield


@contextlib.contextmanager
def once_started(call: Callable[[], None]) -> Iterator[None]:
    """Within it `call` is made as soon as a local cluster's servers run, which Ray waits for."""
    start = Node.start_ray_processes

    def start_and_call(node: Node) -> None:
        start(node)
        call()

    with replaced(Node, "start_ray_processes", start_and_call):
        yield


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
