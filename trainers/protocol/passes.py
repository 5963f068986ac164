"""What a live teacher gives in an epoch, kept on the node's disk: other rows ask for the same.

An epoch's batches and how their samples are augmented depend on (seed, modality, epoch) alone. So
do the outputs of a teacher that does not move: all rows of a study and all points of a search are
given the same ones. The first to need them computes them; whoever comes later on the same node
reads features and logits, to the bit, and neither decodes the samples nor runs the network.

Not kept is what is worth less than its file: a pass of less than MIN_SECONDS; what follows one that
took longer to write than MAX_WRITING says, as on a slow disk; an epoch of more than MAX_BYTES; and
of a training's epochs those from which on its outputs would fill more than SHARE of the cache,
since files that push one another out before anybody comes back to them serve nobody.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version

import torch
from torch import Tensor

from fdsweep.search_spaces.configs import NetworkConfig
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.storage.cache import Cache
from fdsweep.trainers import distributed
from fdsweep.trainers.distributed import Placed
from fdsweep.trainers.environment import environment
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.teachers import Teach

MIN_SECONDS = 0.1
MAX_BYTES = 10**9
MAX_WRITING = 1.0
"""Times what the pass took."""

SHARE = 0.05
"""Of the cache, for one teacher and seed: both directions of five seeds take half of it."""


def kept(
    live: Teach, network: Placed, config: NetworkConfig, dim: int, seed: int, stream: str
) -> Teach:
    """`live` with its outputs in this node's cache; it gives no maps.

    Args:
        live: what the teacher gives in an epoch.
        network: the teacher, which is frozen.
        config: what it was made from.
        dim: width of its features.
        seed: of the batches and of what is drawn.
        stream: what the training views are drawn from.
    """
    runtime = network.runtime
    facts = {
        "teacher": config,
        "seed": seed,
        "stream": stream,
        "workers": runtime.world_size,
        "environment": environment(runtime.device),
        "gpu_type": str(distributed.GPU_DTYPE),
        "fdsweep": version("fdsweep"),
    }
    return Kept(live, network, dim, facts, Cache.here())


class Kept:
    """`live` with its outputs in `cache`; a `Teach`.

    Several workers read an epoch if each of them can, and else compute it together. `facts` decide
    the outputs beside the weights, the epoch and its batches; `dim` is the width of the features.
    """

    def __init__(
        self, live: Teach, network: Placed, dim: int, facts: dict[str, object], cache: Cache
    ) -> None:
        self.live, self.network, self.dim = live, network, dim
        self.facts, self.cache, self.is_worth = facts, cache, True

    def __call__(self, batches: Sequence[Tensor], epoch: int) -> Iterator[Outputs]:
        """The outputs for each of the epoch's `batches`, samples [B] each on the CPU."""
        name = self._name(batches, epoch)
        content = self.cache.recall(name) if self.is_worth else None
        if self.network.runtime.all_agree(content is not None) and content:
            return self._read(content, batches)
        return self._computed(name, batches, epoch)

    @cached_property
    def _key(self) -> str:
        digest = hashlib.sha256()
        for weight in self.network.network.state_dict().values():
            digest.update(weight.cpu().contiguous().numpy().tobytes())
        return content_key(weights=digest.hexdigest(), **self.facts)

    def _name(self, batches: Sequence[Tensor], epoch: int) -> str:
        samples = hashlib.sha256(torch.cat(tuple(batches)).cpu().numpy().tobytes()).hexdigest()
        sizes = [len(batch) for batch in batches]
        return content_key(outputs=self._key, epoch=epoch, samples=samples, sizes=sizes)

    def _read(self, content: bytes, batches: Sequence[Tensor]) -> Iterator[Outputs]:
        """Each batch in memory of its own, as it is computed."""
        numbers = torch.frombuffer(bytearray(content), dtype=torch.float32)
        sizes = [len(batch) for batch in batches]
        rows = distributed.sent(numbers.view(sum(sizes), -1), self.network.runtime.device)
        for part in rows.split(sizes):
            features, logits = part.tensor_split([self.dim], dim=1)
            yield Outputs(
                *(x.clone(memory_format=torch.contiguous_format) for x in (features, logits))
            )

    def _computed(self, name: str, batches: Sequence[Tensor], epoch: int) -> Iterator[Outputs]:
        rows, end, seconds, start = None, 0, 0.0, time.perf_counter()
        for outputs in self.live(batches, epoch):
            seconds += time.perf_counter() - start
            own = torch.cat([outputs.features, outputs.logits], dim=1)
            if end == 0:
                rows = self._room(own, sum(map(len, batches)), epoch)
            end += len(own)
            if rows is not None:
                rows[end - len(own) : end] = own
            yield outputs
            start = time.perf_counter()
        if rows is not None and seconds >= MIN_SECONDS:
            self._keep(name, rows.cpu(), seconds)

    def _room(self, first: Tensor, count: int, epoch: int) -> Tensor | None:
        """Where `count` rows like the `first` are collected, if they are to be kept."""
        size = count * first[0].nbytes
        fits = size <= MAX_BYTES and (epoch + 1) * size <= SHARE * self.cache.limit
        if not (fits and self.is_worth and first.dtype == torch.float32):
            return None
        return first.new_empty(count, first.shape[1])

    def _keep(self, name: str, rows: Tensor, seconds: float) -> None:
        start = time.perf_counter()
        self.cache.keep(name, rows.numpy().data.cast("B"))
        self.is_worth = time.perf_counter() - start <= MAX_WRITING * seconds
