"""Samples that stay in their shards and are read and decoded just before they are needed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fdsweep.search_spaces.trials import READING_GB
from fdsweep.trainers import modalities
from fdsweep.trainers.loaders.pipeline import depth, read_ahead, usable_cores
from fdsweep.trainers.modalities import Kind
from fdsweep.trainers.modalities.arrays import CPU
from fdsweep.trainers.modalities.base import Arrays
from fdsweep.trainers.preparation.manifest import Manifest
from fdsweep.trainers.preparation.reading import read_rows

AHEAD_BYTES = int(READING_GB * 1e9 / 8)
"""Decoded batches of one modality that wait: two modalities are read at the same time, and a batch
takes up to three times as much while it is read and decoded."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A batch to read: samples [B], and their draws [B, DRAWS] where training views are wanted."""

    samples: Tensor
    draws: Tensor | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Streamed:
    """One modality of a prepared data set, read batch by batch; see `Inputs`.

    The batches are those that the same samples give from memory, to the bit.
    """

    storage: str
    manifest: Manifest
    modality: str
    device: torch.device = CPU

    @property
    def kind(self) -> Kind:
        """What the samples are."""
        return modalities.find(self.manifest.payloads[self.modality])

    @property
    def augmented(self) -> bool:
        """Whether training views differ from time to time."""
        return self.kind.augmented

    @property
    def numbers(self) -> int:
        """How many numbers one sample's view holds."""
        return self.kind.numbers

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """The views of each batch [B], decoded while the ones before are trained on."""
        kind, batches = self.kind, list(order)
        numbers = [None] * len(batches) if draws is None else list(draws)
        requests = [BatchRequest(*request) for request in zip(batches, numbers, strict=True)]
        largest = max(map(len, batches), default=1)
        cores = usable_cores()
        extent = self.manifest.extent(self.modality)
        ahead = depth(cores, -(-largest * extent.nbytes // extent.pieces), AHEAD_BYTES)

        def load(request: BatchRequest) -> Arrays:
            rows = request.samples.tolist()
            table = read_rows(self.storage, self.manifest, rows, [self.modality])
            return kind.decode(table[self.modality].to_pylist(), request.draws)

        arrays = read_ahead(load, requests, ahead, cores)
        for request, decoded in zip(requests, arrays, strict=True):
            yield kind.view(decoded, request.draws, self.device)

    def to(self, device: torch.device) -> "Streamed":
        """The same samples, with their batches on `device`."""
        return replace(self, device=device)
