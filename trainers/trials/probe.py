"""What an epoch of a replicate will take here, and what of a GPU, from a few steps of it."""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch.profiler import ProfilerActivity, profile

from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.trainers import environment
from fdsweep.trainers.datasets import Dataset, DatasetInfo, Fold
from fdsweep.trainers.distributed import Runtime, give_back
from fdsweep.trainers.loop import evaluate, make_recorder, train_epoch
from fdsweep.trainers.optimisation.eager import eager
from fdsweep.trainers.replicate import make_roles
from fdsweep.trainers.trials.alone import alone, apart

STEPS, SECONDS = 8, 2.0
"""After one step to warm up so many are taken, or fewer where they take longer than that.

On a GPU, where the first step prepares it, two warm up.
"""

SAMPLES = 64

CONTEXT = int(0.6 * 2**30)
"""Bytes of a GPU that a process takes before it has a tensor there, as an H200 shows."""


@dataclass(frozen=True, slots=True)
class GpuNeed:
    """What trainings need of the GPU on which a few steps of each were taken.

    Attributes:
        nbytes: of its memory that the process of the largest one took at most, all in all.
        busy: the largest share of its time, 0 to 1, in which it computed for one of them; 0 where
            the driver does not tell.
        room: bytes that other processes leave of it.
    """

    nbytes: int
    busy: float
    room: int


def seconds_per_epoch(
    config: StudentConfig, dataset: Dataset, storage: str, device: torch.device
) -> float:
    """Seconds of an epoch of `config` with its evaluations on `device`, one thread of a CPU.

    Its teachers need not be trained yet.

    Args:
        config: what would be trained.
        dataset: its data.
        storage: where pretrained weights lie.
        device: where the steps are taken.

    Raises:
        DataError: pretrained weights are not in the storage, or the data cannot be read.
    """
    return alone(device, _measure, config, dataset, storage, device)


def gpu_need(
    configs: Sequence[StudentConfig], dataset: Dataset, storage: str, device: torch.device
) -> GpuNeed:
    """What one training of any of `configs` needs of the GPU `device`, asked by another process.

    How busy a GPU is goes by the time of its kernels, as torch's profiler has it, in the time of
    the same steps without it. A GPU's own meter (NVML) counts what other processes do as well, and
    needs a package more.

    Args:
        configs: what would be trained; their teachers need not be trained yet.
        dataset: their data.
        storage: where pretrained weights lie.
        device: a GPU.

    Raises:
        DataError: pretrained weights are not in the storage, or the data cannot be read.
        RuntimeError: a training does not even get through its first steps, for want of memory.
    """
    return apart(_need, configs, dataset, storage, device)


def computing(run: Callable[[], object]) -> float:
    """Seconds of kernels on a GPU in `run`, which waits for its end; 0 where they are not seen."""
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        run()
    microseconds: float = sum(
        event.time_range.elapsed_us()
        for event in trace.events() or ()
        if event.device_type.name == "CUDA" and not event.is_user_annotation
    )
    return microseconds / 1e6


class _Steps:
    """Steps of a replicate of `config` that learn nothing."""

    def __init__(
        self,
        config: StudentConfig,
        info: DatasetInfo,
        fold: Fold,
        storage: str,
        device: torch.device,
    ) -> None:
        self.config = replace(config, teacher_state="random")
        self.fold, self.device = fold, device
        self.size = config.network.optim.batch_size
        most = replace(fold, train=fold.train[: STEPS * self.size])
        runtime = Runtime.here(device)
        self.roles = make_roles(self.config, info, most, 0, storage=storage, runtime=runtime)
        self.optimizer = eager(torch.optim.SGD)(self.roles.student.network.parameters(), lr=0.0)
        self.recorder = make_recorder(self.config, self.roles)

    def take(self, count: int) -> float:
        """Seconds of a step, on average of so many or as many as there are."""
        part = replace(self.fold, train=self.fold.train[: count * self.size])
        start = time.perf_counter()
        train_epoch(self.config, 0, 0, part, self.roles, self.optimizer, recorder=self.recorder)
        return (time.perf_counter() - start) / self.in_epoch(part)

    def in_epoch(self, fold: Fold) -> int:
        """How many steps an epoch of `fold` has."""
        return math.ceil(len(fold.train) / self.size)

    def evaluate(self) -> float:
        """Seconds of an evaluated sample."""
        few = self.fold.val[:SAMPLES]
        start = time.perf_counter()
        evaluate(self.roles, self.fold, self.config.network.modality, few)
        return (time.perf_counter() - start) / len(few)

    def warm(self) -> tuple[int, float]:
        """How many steps are worth taking, and the seconds of one, once the device is prepared."""
        if self.device.type != "cpu":
            self.take(1)
            self.evaluate()
        first = self.take(1)
        count = min(STEPS, int(SECONDS / first))
        return max(1, count), self.take(count) if count else first

    def computing(self, count: int) -> float:
        """Seconds of a step in which the GPU computes for it, on average of `count`."""
        return computing(lambda: self.take(count)) / min(count, self.in_epoch(self.fold))


def _measure(config: StudentConfig, dataset: Dataset, storage: str, device: torch.device) -> float:
    if device.type != "cpu":
        environment.repeat(device)
    fold = dataset.folds(config.modalities)(0).to(device)
    steps = _Steps(config, dataset.info, fold, storage, device)
    training = steps.warm()[1] * steps.in_epoch(fold)
    return training + steps.evaluate() * (len(fold.val) + len(fold.test))


def _need(
    configs: Sequence[StudentConfig], dataset: Dataset, storage: str, device: torch.device
) -> GpuNeed:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler talks on stderr
    environment.repeat(device)
    room = torch.cuda.mem_get_info(device)[0]  # less the context, which this has made
    nbytes, busy, told = 0, 0.0, True
    for config in configs:
        fold = dataset.folds(config.modalities)(0).to(device)
        steps = _Steps(config, dataset.info, fold, storage, device)
        count, _ = steps.warm()  # in which steps are recorded
        seconds, kernels = steps.take(count), steps.computing(count)
        told &= kernels > 0
        busy = max(busy, min(1.0, kernels / seconds))
        # torch gives nothing back on its own; beside its tensors there are libraries and kernels
        taken = room - torch.cuda.mem_get_info(device)[0]
        nbytes = max(nbytes, taken, torch.cuda.memory_reserved(device))
        del steps, fold
        give_back(device)
    return GpuNeed(CONTEXT + nbytes, busy if told else 0.0, CONTEXT + room)
