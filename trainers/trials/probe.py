"""What an epoch of a replicate will take here, from a few steps of it."""

import math
import time
from dataclasses import replace

import torch

from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.trainers import environment
from fdsweep.trainers.datasets import Dataset
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.loop import evaluate, make_recorder, train_epoch
from fdsweep.trainers.replicate import make_roles
from fdsweep.trainers.trials.alone import alone

STEPS, SECONDS = 8, 2.0
"""After one step to warm up so many are taken, or fewer where they take longer than that.

On a GPU, where the first step prepares it, two warm up.
"""

SAMPLES = 64


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
    config = replace(config, teacher_state="random")
    return alone(device, _measure, config, dataset, storage, device)


def _measure(config: StudentConfig, dataset: Dataset, storage: str, device: torch.device) -> float:
    fold = dataset.folds(config.modalities)(0).to(device)
    size = config.network.optim.batch_size
    most = replace(fold, train=fold.train[: STEPS * size])
    runtime = Runtime.here(device)
    roles = make_roles(config, dataset.info, most, 0, storage=storage, runtime=runtime)
    optimizer = torch.optim.SGD(roles.student.network.parameters(), lr=0.0)
    recorder = make_recorder(config, roles)

    def steps(count: int) -> float:
        part = replace(fold, train=fold.train[: count * size])
        start = time.perf_counter()
        train_epoch(config, 0, 0, part, roles, optimizer, recorder=recorder)
        return (time.perf_counter() - start) / math.ceil(len(part.train) / size)

    if device.type != "cpu":
        environment.repeat(device)
        steps(1)
        evaluate(roles, fold, config.network.modality, fold.val[:SAMPLES])
    first = steps(1)
    count = min(STEPS, int(SECONDS / first))
    training = (steps(count) if count else first) * math.ceil(len(fold.train) / size)
    few = fold.val[:SAMPLES]
    start = time.perf_counter()
    evaluate(roles, fold, config.network.modality, few)
    per_sample = (time.perf_counter() - start) / len(few)
    return training + per_sample * (len(fold.val) + len(fold.test))
