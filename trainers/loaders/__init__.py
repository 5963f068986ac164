"""One modality's samples, given as batches for a network in an order that is known beforehand."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fdsweep.trainers import distributed, rng
from fdsweep.trainers.modalities.arrays import Plain
from fdsweep.trainers.modalities.base import DRAWS, Inputs

__all__ = [
    "Inputs",
    "Plain",
    "evaluated_views",
    "evaluation_batches",
    "evaluation_size",
    "training_views",
]

EVAL_SAMPLES, EVAL_NUMBERS = 512, 2**23
"""What a forward pass without gradient takes at most."""

GPU_EVAL_NUMBERS = 2**25
"""The same on a GPU: 222 pictures of 224 x 224."""


def training_views(
    inputs: Inputs,
    batches: Sequence[Tensor],
    seed: int,
    stream: str,
    epoch: int,
    *,
    whole: bool = False,
) -> Iterator[Tensor]:
    """This worker's part of each of the epoch's `batches`, samples [B] each, as training views.

    What is drawn depends on (seed, stream, epoch) and the place in the epoch, not on how many
    workers share a batch. With `whole` every worker is given all of it.
    """
    part = _itself if whole else distributed.shard
    order = [part(batch) for batch in batches]
    if not inputs.augmented:
        return inputs.batches(order)
    sizes = [len(batch) for batch in batches]
    generator = rng.generator(seed, "augmentation", stream, epoch)
    draws = torch.rand([sum(sizes), DRAWS], generator=generator).split(sizes)
    return inputs.batches(order, [part(numbers) for numbers in draws])


def evaluated_views(inputs: Inputs, samples: Tensor) -> Iterator[Tensor]:
    """The evaluated view of all `samples` [N], in batches for passes without gradient."""
    return inputs.batches(evaluation_batches(inputs, samples))


def evaluation_batches(inputs: Inputs, samples: Tensor) -> tuple[Tensor, ...]:
    """All `samples` [N] in order, as many at a time as a pass without gradient takes.

    They lie on the device of the pass.
    """
    size = evaluation_size(inputs.numbers, samples.device)
    batches: tuple[Tensor, ...] = samples.cpu().split(size)
    return batches


def evaluation_size(numbers: int, device: torch.device) -> int:
    """How many samples of so many numbers a pass without gradient takes on `device`."""
    most = EVAL_NUMBERS if device.type == "cpu" else GPU_EVAL_NUMBERS
    return max(1, min(EVAL_SAMPLES, most // numbers))


def _itself(batch: Tensor) -> Tensor:
    return batch
