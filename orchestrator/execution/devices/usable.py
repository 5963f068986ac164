"""Whether torch can use the GPUs that Ray gives away: Ray counts them, and asks no torch."""

import socket
from collections.abc import Callable

from fdsweep.search_spaces.errors import ClusterError

FIX = "Install a torch that fits its driver, on every node, or train on cores with --gpus 0"


class UnusableGpuError(ClusterError):
    """Ray gave a GPU to a process whose torch cannot use it: so it will do in every trial."""


def check() -> None:
    """Refuse to go on if torch cannot use the GPU that this process was given.

    Raises:
        UnusableGpuError: says why.
    """
    from fdsweep.trainers.distributed import gpu_fault

    if why := gpu_fault():
        raise UnusableGpuError(f"Ray sees GPUs that torch cannot use ({why})", _here(), FIX)


def _here() -> str:
    return f"node {socket.gethostname()}"


def on_every_node(seconds: float = 30.0) -> list[str]:
    """What `check` says on each node of the cluster with GPUs, where it has anything to say.

    A node whose GPUs are taken for so many `seconds` is not looked at, which is said too.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, num_gpus=0.01, max_retries=0)(_told)
    asked = {}
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("GPU"):
            here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[look.options(scheduling_strategy=here).remote(check)] = node["NodeName"]
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=seconds) if asked else ([], [])
    found = [said for said in ray.get(done) if said]
    for one in late:
        ray.cancel(one)
        found.append(f"node {asked[one]}: its GPUs are taken, so torch was not tried there")
    return found


def _told(check: Callable[[], None]) -> str:
    try:
        check()
    except ClusterError as error:
        return str(error)
    return ""
