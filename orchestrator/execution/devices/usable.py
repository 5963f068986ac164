"""Whether torch can use the GPUs that Ray gives away: Ray counts them, and asks no torch."""

import socket

from fdsweep.search_spaces.errors import ClusterError, first_line

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


def check_here() -> None:
    """The same in a driver on its own machine, where a GPU that can be used is not touched.

    Raises:
        UnusableGpuError: says why.
    """
    import torch

    if not torch.cuda.is_available():
        check()


def _here() -> str:
    return f"node {socket.gethostname()}"


def on_every_node(seconds: float = 30.0) -> tuple[list[str], list[str]]:
    """What `check` says on each node of the cluster with GPUs, where it has anything to say.

    Returns:
        That, and the names of nodes whose GPUs were taken for so many `seconds`.
    """
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, num_gpus=0.01, max_retries=0)(check)
    asked = {}
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("GPU"):
            here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[look.options(scheduling_strategy=here).remote()] = node["NodeName"]
    if not asked:
        return [], []
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=seconds)
    found = []
    for one in done:
        try:
            ray.get(one)
        except UnusableGpuError as error:
            found.append(str(error.cause))  # type: ignore[attr-defined]
        except RayError as error:
            found.append(f"node {asked[one]}: {first_line(error)}")
    for one in late:
        ray.cancel(one)
    return found, [asked[one] for one in late]
