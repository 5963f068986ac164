"""A modality of a prepared data set in memory: decoded once, shared by a trial's replicates."""

import math
import os

import numpy as np
import torch

from fdsweep.trainers.loaders import Inputs, Plain, payloads
from fdsweep.trainers.loaders.pictures import STORED, Pictures
from fdsweep.trainers.loaders.streaming import Loader
from fdsweep.trainers.preparation.shards import Manifest, read_shard

BYTES = {"frames": 3 * STORED * STORED, "spectrogram": 2, "tokens": 8}
"""Of a frame, or of a number."""


def nbytes(manifest: Manifest, modality: str) -> int:
    """Memory that `load` takes for `modality`, the reading aside."""
    payload = manifest.payloads[modality]
    if payload.kind == "frames":
        return BYTES["frames"] * sum(shard.frames[modality] for shard in manifest.shards)
    return BYTES[payload.kind] * manifest.rows * math.prod(payload.shape)


def load(loader: Loader) -> Inputs:
    """All samples of the loader's modality, read shard by shard.

    Raises:
        DataError: a shard is not there or cannot be read.
    """
    manifest, modality = loader.manifest, loader.modality
    payload = manifest.payloads[modality]
    shards = (
        read_shard(loader.storage, manifest, number, [modality])[modality].to_pylist()
        for number in range(len(manifest.shards))
    )
    if payload.kind != "frames":
        parts = [payloads.numbers(found, payload) for found in shards]
        return Plain(torch.from_numpy(np.concatenate(parts)))
    total = sum(shard.frames[modality] for shard in manifest.shards)
    frames = torch.empty(total, 3, STORED, STORED, dtype=torch.uint8)
    aspects, counts = torch.empty(total), [0]
    for clips in shards:
        counts += [len(clip) for clip in clips]
        jpegs = [jpeg for clip in clips for jpeg in clip]
        first = sum(counts) - len(jpegs)
        pictures, shapes = payloads.pictures(jpegs, os.cpu_count() or 1)
        frames[first : first + len(jpegs)] = torch.from_numpy(pictures)
        aspects[first : first + len(jpegs)] = torch.from_numpy(shapes)
    starts = torch.tensor(counts).cumsum(0)
    return Pictures(frames=frames, aspects=aspects, starts=starts)
