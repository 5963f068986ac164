"""Which part of a GPU a trial takes, where nobody said: from a few steps on one.

No number depends on it, so it is in no key.
"""

from collections.abc import Sequence
from math import ceil

from fdsweep.orchestrator.execution.cluster import ResourceRequest, local_device, local_resources
from fdsweep.orchestrator.execution.devices import packing
from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.errors import first_line
from fdsweep.search_spaces.trials import Plan
from fdsweep.trainers.datasets import Dataset

GIGA = 1e9


def choose(
    request: ResourceRequest,
    plan: Plan,
    dataset: Dataset,
    storage: str,
    *,
    trials: int,
    held: int = 1,
) -> tuple[float | None, str]:
    """GPUs of a trial, and a sentence that says why; None for the natural share.

    Args:
        request: the devices.
        plan: what is trained; each method with its networks is tried.
        dataset: its data.
        storage: where pretrained weights lie.
        trials: how many there are at most at the same time.
        held: replicates that a trial holds at the same time.

    Raises:
        DataError: pretrained weights are not in the storage, or the data cannot be read.
    """
    if request.joins:
        return None, _left("nodes of a cluster are not probed: give a number, such as 0.25")
    device = local_device(request)
    if device.type == "cpu":
        return None, _left("no GPU is used here")
    from fdsweep.trainers.trials.probe import gpu_need  # brings torch

    try:
        need = gpu_need(kinds(plan), dataset, storage, device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that its profiler sees GPUs
        return None, _left(f"the probe failed ({first_line(error)})")
    if not need.busy:
        return None, _left("torch's profiler cannot see how busy a GPU is here")
    (node,) = local_resources(request).nodes
    gpus = max(1, int(min(node.gpus, request.gpus or node.gpus)))
    nbytes = held * need.nbytes
    count, limit = packing.on_a_gpu(
        nbytes=nbytes,
        room=need.room,
        busy=need.busy,
        cores=int(node.cpus) // gpus,
        trials=ceil(trials / gpus),
    )
    return packing.part(count), (
        f"--gpus-per-trial auto: {packing.count(count, 'trial')} on each GPU (limit: {limit}); "
        f"by a probe one takes {nbytes / GIGA:.1f} GB of {need.room / GIGA:.1f} and keeps the GPU "
        f"at work {100 * need.busy:.0f} % of the time"
    )


def kinds(plan: Plan) -> Sequence[StudentConfig]:
    """A configuration of each method, with each networks, that `plan` trains."""
    return tuple(
        {
            (
                trial.config.method,
                trial.config.network.teacher_key,
                *(teacher.teacher_key for teacher in trial.config.teachers),
            ): trial.config
            for trial in (*plan.teachers, *plan.students)
        }.values()
    )


def _left(why: str) -> str:
    return f"--gpus-per-trial auto: no part is chosen, as {why}"
