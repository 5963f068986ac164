"""One modality's samples, given as batches for a network in an order that is known beforehand."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fdsweep.trainers import distributed, rng
from fdsweep.trainers.modalities.arrays import Plain
from fdsweep.trainers.modalities.base import DRAWS, Inputs

__all__ = ["Inputs", "Plain", "evaluated_views", "training_views"]

EVAL_SAMPLES, EVAL_NUMBERS = 512, 2**23
"""What a forward pass without gradient takes at most."""


def training_views(
    inputs: Inputs, batches: Sequence[Tensor], seed: int, modality: str, epoch: int
) -> Iterator[Tensor]:
    """This worker's part of each of the epoch's `batches`, samples [B] each, as training views.

    What is drawn depends on (seed, modality, epoch) and the place in the epoch, not on how many
    workers share a batch.
    """
    order = [distributed.shard(batch) for batch in batches]
    if not inputs.augmented:
        return inputs.batches(order)
    stream = rng.generator(seed, "augmentation", modality, epoch)
    sizes = [len(batch) for batch in batches]
    draws = torch.rand([sum(sizes), DRAWS], generator=stream).split(sizes)
    return inputs.batches(order, [distributed.shard(numbers) for numbers in draws])


def evaluated_views(inputs: Inputs, samples: Tensor) -> Iterator[Tensor]:
    """The evaluated view of all `samples` [N], in batches for passes without gradient."""
    size = max(1, min(EVAL_SAMPLES, EVAL_NUMBERS // inputs.numbers))
    return inputs.batches(samples.cpu().split(size))
