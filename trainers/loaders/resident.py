"""A modality of a prepared data set in memory: decoded once, shared by a trial's replicates."""

from collections.abc import Iterator
from typing import Any

from fdsweep.trainers import distributed, modalities
from fdsweep.trainers.loaders import Inputs
from fdsweep.trainers.loaders.pipeline import usable_cores
from fdsweep.trainers.preparation.manifest import Manifest
from fdsweep.trainers.preparation.reading import read_shard


def nbytes(manifest: Manifest, modality: str) -> int:
    """Memory that `load` takes for `modality`, the reading aside."""
    return manifest.extent(modality).nbytes


def load(storage: str, manifest: Manifest, modality: str) -> Inputs:
    """All samples of `modality`, read shard by shard.

    Raises:
        DataError: a shard is not there or cannot be read.
    """
    kind = modalities.find(manifest.payloads[modality])

    def shards() -> Iterator[list[Any]]:
        for number in range(len(manifest.shards)):
            distributed.beat()
            yield read_shard(storage, manifest, number, [modality])[modality].to_pylist()

    return kind.hold(shards(), manifest.rows, manifest.extent(modality), usable_cores())
