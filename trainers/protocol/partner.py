"""The network of another modality whose embeddings a network learns to meet (`Task.aligns`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fdsweep.trainers import teachers
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.distributed import Placed
from fdsweep.trainers.loaders import Inputs
from fdsweep.trainers.teachers import Teach


@dataclass(frozen=True, slots=True)
class Partner:
    """A network, and what it gives for samples of its modality.

    Attributes:
        inputs: of its modality.
        teach: its outputs for an epoch's batches.
        network: placed where it runs.
        moves: it learns along.
    """

    inputs: Inputs
    teach: Teach
    network: Placed
    moves: bool

    def trained(self, batches: Sequence[Tensor], epoch: int) -> Iterator[Tensor]:
        """Embeddings [B, E] of the epoch's `batches`, samples [B] each, whole for every worker."""
        return (outputs.logits for outputs in self.teach(batches, epoch))

    def evaluated(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Those of `batches`, samples [n] each, as they are evaluated."""
        if not self.moves:
            yield from self.trained(batches, 0)
            return
        self.network.network.eval()
        for own in self.inputs.batches(batches):
            yield self.network(own, maps=False).logits


def as_it_is(network: Placed, fold: Fold, modality: str) -> Partner:
    """The frozen `network`, which sees a sample in one view, as it is evaluated."""
    inputs, samples = fold.inputs[modality], torch.cat([fold.train, fold.val, fold.test])
    teach = teachers.cached(network, inputs, samples)
    return Partner(inputs, teach, network, moves=False)


def beside(network: Placed, fold: Fold, modality: str, seed: int) -> Partner:
    """The `network` as it learns, in training views of the replicate `seed`."""
    inputs = fold.inputs[modality]
    teach = teachers.live(network, inputs, seed, fold.stream(modality), maps=False)
    return Partner(inputs, teach, network, moves=True)
