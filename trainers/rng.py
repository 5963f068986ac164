"""Separate random streams, each derived from (seed, name): none can shift another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from fdsweep.trainers.imports.lazy import torch


def derive(seed: int, *names: object) -> int:
    """A 63-bit number for the stream `names` of replicate `seed`."""
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *names: object) -> torch.Generator:
    """A CPU generator at the start of the stream `names`."""
    return torch.Generator().manual_seed(derive(seed, *names))


@contextmanager
def seeded(seed: int, *names: object) -> Iterator[None]:
    """Inside, torch's global generators stand at the start of the stream `names`.

    After it those of the CPU and of this process's GPU are as before. A GPU that nothing has used
    yet is left alone: to look at its generator would claim memory on it, and torch's own
    `manual_seed` notes the whole stack of calls down for every kind of device that is not in use.
    """
    number = derive(seed, *names)
    gpus = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(number)
        if gpus:
            torch.cuda.manual_seed_all(number)
        yield
