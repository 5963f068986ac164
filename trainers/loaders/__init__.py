"""One modality's samples, given as batches for a network in an order that is known beforehand."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from fdsweep.trainers import distributed, rng

DRAWS = 24
"""Random numbers that a training view of one sample may use, uniform in [0, 1)."""

EVAL_SAMPLES, EVAL_NUMBERS = 512, 2**23
"""What a forward pass without gradient takes at most."""


class Inputs(Protocol):
    """What the training loop asks of one modality.

    Attributes:
        augmented: training views differ from time to time.
        numbers: how many numbers one sample's view holds.
    """

    @property
    def augmented(self) -> bool:
        """See above."""

    @property
    def numbers(self) -> int:
        """See above."""

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """A tensor [B, ...] for each of `order`'s batches of sample indices [B], on the CPU.

        With `draws` [B, DRAWS] for each batch they are training views, decided by these numbers
        alone; without, the one view that is evaluated.
        """

    def to(self, device: torch.device) -> Self:
        """The same samples, with their batches on `device`."""


def training_views(
    inputs: Inputs, batches: Tensor, seed: int, modality: str, epoch: int
) -> Iterator[Tensor]:
    """This worker's part of each of the epoch's `batches` [steps, B], as training views.

    What is drawn depends on (seed, modality, epoch) and the place in the epoch, not on how many
    workers share a batch.
    """
    order = [distributed.shard(batch) for batch in batches]
    if not inputs.augmented:
        return inputs.batches(order)
    stream = rng.generator(seed, "augmentation", modality, epoch)
    draws = torch.rand([*batches.shape, DRAWS], generator=stream)
    return inputs.batches(order, [distributed.shard(numbers) for numbers in draws])


def evaluated_views(inputs: Inputs, samples: Tensor) -> Iterator[Tensor]:
    """The evaluated view of all `samples` [N], in batches for passes without gradient."""
    size = max(1, min(EVAL_SAMPLES, EVAL_NUMBERS // inputs.numbers))
    return inputs.batches(samples.cpu().split(size))


@dataclass(frozen=True, slots=True)
class Plain:
    """Samples that are what the network takes: `values` [N, ...], float16 given as float32."""

    values: Tensor
    augmented: bool = False

    @property
    def numbers(self) -> int:
        """See `Inputs.numbers`."""
        return self.values[0].numel()

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """See `Inputs.batches`; there is one view only."""
        del draws
        for indices in order:
            x = self.values[indices.to(self.values.device, non_blocking=True)]
            yield x.float() if x.dtype == torch.float16 else x

    def to(self, device: torch.device) -> "Plain":
        """See `Inputs.to`."""
        return replace(self, values=distributed.place(self.values, device))
