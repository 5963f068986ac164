"""Whether torch can use the GPUs that Ray gives away: Ray counts them, and asks no torch."""

import socket

from fdsweep.orchestrator.execution.devices import everywhere
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


def on_every_node() -> tuple[list[str], list[str]]:
    """What `check` says on each node of the cluster with GPUs, where it has anything to say.

    Returns:
        That, and the names of nodes whose GPUs were taken all the time.
    """
    found, late = everywhere.ask(check, has="GPU", num_gpus=0.01)
    said = []
    for node, error in found:
        if isinstance(error, UnusableGpuError):
            said.append(str(error.cause))  # type: ignore[attr-defined]
        else:
            said.append(f"node {node}: {first_line(error)}")
    return said, late
