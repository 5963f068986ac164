"""Where a replicate runs: one device and its precision, and the workers that share each batch.

Several workers give the numbers of one. Each runs the networks on its part of the batch; the
outputs are gathered before a loss sees them, so a loss that relates samples with each other sees
the whole batch, and batch normalisation uses the statistics of the whole batch. With one worker,
nothing of that happens.

A GPU computes in bfloat16 and lays images out channels-last, a CPU in the type of the inputs;
losses see float32 either way.

Every pass of a network is a sign that this process is at work.
"""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import first_line
from fdsweep.trainers.features.outputs import Outputs

GPU_DTYPE = torch.bfloat16
"""What networks compute in on a GPU."""

Movable = TypeVar("Movable", Tensor, nn.Module)


@dataclass(slots=True)
class _Pulse:
    """`last` is the time.monotonic() of the last beat."""

    last: float


_PULSE = _Pulse(time.monotonic())


@dataclass(slots=True)
class _Share:
    """`gpu` is the part of a GPU that this process was given, 0 to 1."""

    gpu: float


_SHARE = _Share(1.0)


def beat() -> None:
    """Give a sign of life: a batch is through, or another part of the data is loaded."""
    _PULSE.last = time.monotonic()


def last_beat() -> float:
    """When this process gave its last sign of life, by its time.monotonic()."""
    return _PULSE.last


def world_size() -> int:
    """Number of workers that share this replicate."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this worker, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def shard(indices: Tensor) -> Tensor:
    """This worker's part of `indices` [N]; see `Runtime.shard`."""
    return Runtime.here(indices.device).shard(indices)


def place(item: Movable, device: torch.device) -> Movable:
    """`item` on `device`; images and networks are laid out channels-last on a GPU."""
    moved = item.to(device)
    if device.type == "cuda" and (isinstance(moved, nn.Module) or moved.ndim == 4):
        return moved.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    return moved


def on_device(batches: Sequence[Tensor], device: torch.device) -> Sequence[Tensor]:
    """Indices [B] of each of `batches`, on the host, on `device`, in one copy."""
    if device.type == "cpu":
        return batches
    sizes = [len(batch) for batch in batches]
    return torch.split(sent(torch.cat(tuple(batches)), device), sizes)


def sent(x: Tensor, device: torch.device) -> Tensor:
    """`x`, which lies on the host, on `device`; the host does not wait for the copy to a GPU."""
    pinned = x.pin_memory() if device.type == "cuda" else x
    return pinned.to(device, non_blocking=True)


def share_gpu(part: float) -> None:
    """Take no more than this part of a GPU's memory, 0 to 1, where there is a choice."""
    _SHARE.gpu = min(part, 1.0)


def gpu_memory_left(device: torch.device) -> int:
    """Bytes of a GPU that this process may still take: those that are free, within its part.

    What torch keeps for itself of what it once used is free for this process.
    """
    free, total = torch.cuda.mem_get_info(device)
    used = torch.cuda.memory_allocated(device)
    kept = torch.cuda.memory_reserved(device) - used
    return min(free + kept, int(_SHARE.gpu * total) - used)


def is_usable(device: torch.device) -> bool:
    """Whether `device` still computes: after some errors a process can use its GPU no more."""
    try:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    except RuntimeError:
        return False
    return True


def give_back(device: torch.device) -> None:
    """Let others have what nothing here uses any more of the memory of `device`."""
    gc.collect()
    if device.type == "cuda" and is_usable(device):
        torch.cuda.empty_cache()


def gpu_fault() -> str:
    """Why torch cannot use the first GPU of this process; "" if it can."""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built for CPUs"
    try:
        torch.ones(1, device="cuda").add_(1).item()
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for GPUs
        return first_line(error)
    return ""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A replicate's device, and which of its workers this is."""

    device: torch.device
    rank: int = 0
    world_size: int = 1

    @classmethod
    def here(cls, device: torch.device) -> "Runtime":
        """This process, with `device`, among the workers of its process group."""
        return cls(device, rank(), world_size())

    @property
    def device_name(self) -> str:
        """The GPU's model, or `cpu`."""
        is_gpu = self.device.type == "cuda"
        return torch.cuda.get_device_name(self.device) if is_gpu else self.device.type

    def place(self, network: nn.Module) -> "Placed":
        """`network` on the device; one that trains has its gradients averaged over the workers."""
        network = place(network, self.device)
        if self.world_size == 1 or not any(x.requires_grad for x in network.parameters()):
            return Placed(network, network, self)
        _share_statistics(network)
        devices = [self.device] if self.device.type == "cuda" else None
        parallel = nn.parallel.DistributedDataParallel(network, device_ids=devices)
        return Placed(network, parallel, self)

    def shard(self, indices: Tensor) -> Tensor:
        """This worker's contiguous part of `indices` [N]; parts differ by one at most."""
        return indices.tensor_split(self.world_size)[self.rank]

    def gather_rows(self, rows: Tensor) -> Tensor:
        """Rows [n_0 + n_1 + …, ...] of all workers in order of rank; the n_r may differ."""
        if self.world_size == 1:
            return rows
        count = torch.tensor([len(rows)], device=rows.device)
        counts = [torch.zeros_like(count) for _ in range(self.world_size)]
        dist.all_gather(counts, count)
        padded = _padded(rows, max(int(n) for n in counts))
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[: int(n)] for part, n in zip(parts, counts, strict=True)])

    def all_agree(self, agrees: bool) -> bool:
        """Whether all workers agree, each of which must ask."""
        if self.world_size == 1:
            return agrees
        votes = torch.tensor([int(agrees)], device=self.device)
        dist.all_reduce(votes, dist.ReduceOp.MIN)
        return bool(votes)


@dataclass(frozen=True, slots=True)
class Placed:
    """A network where it runs. Called with inputs [n, ...] it gives their `Outputs`.

    Attributes:
        network: with the weights, as they are saved.
        parallel: the same as all workers run it together.
        runtime: where.
    """

    network: nn.Module
    parallel: nn.Module
    runtime: Runtime

    def __call__(self, inputs: Tensor, *, maps: bool = True) -> Outputs:
        """Outputs of this worker's own `inputs`, no other worker taking part."""
        return _run(self.network, inputs, maps=maps)

    def on_batch(self, inputs: Tensor, size: int, *, maps: bool) -> Outputs:
        """Outputs of a whole batch of `size` samples, of which every worker has its `shard`.

        Gradients flow to each worker's part.

        Args:
            inputs: this worker's part [n, ...]; n may be 0 where there are more workers.
            size: of the whole batch.
            maps: whether the stages' maps are wanted.
        """
        outputs = _run(self.parallel, inputs, maps=maps)
        if self.runtime.world_size == 1:
            return outputs
        features, logits = _gather(outputs.features, size), _gather(outputs.logits, size)
        gathered = outputs.maps and tuple(_gather(x, size) for x in outputs.maps)
        return Outputs(features, logits, gathered)


def _run(network: nn.Module, inputs: Tensor, *, maps: bool) -> Outputs:
    """The network's outputs in float32, with its stages' maps if they are wanted."""
    beat()
    if inputs.device.type != "cuda":
        plain: Outputs = network(inputs)
        return plain if maps else plain._replace(maps=None)
    with torch.autocast("cuda", GPU_DTYPE, enabled=GPU_DTYPE is not torch.float32):
        outputs: Outputs = network(inputs)
    kept = tuple(x.float() for x in outputs.maps) if maps and outputs.maps else None
    return Outputs(outputs.features.float(), outputs.logits.float(), kept)


def _gather(part: Tensor, size: int) -> Tensor:
    whole: Tensor = _Gather.apply(part, size)  # type: ignore[no-untyped-call]
    return whole


def _padded(rows: Tensor, length: int) -> Tensor:
    return F.pad(rows, [0, 0] * (rows.ndim - 1) + [0, length - len(rows)])


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, part: Tensor, size: int) -> Tensor:
        counts = [len(rows) for rows in torch.arange(size).tensor_split(world_size())]
        own = _padded(part, counts[0]).contiguous()
        parts = [torch.empty_like(own) for _ in counts]
        dist.all_gather(parts, own)
        return torch.cat([rows[:n] for rows, n in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # Every worker computes the same loss of the whole batch, and DistributedDataParallel
        # averages what each part contributes: times the number of workers makes it the sum.
        return shard(grad) * world_size(), None


class _Sum(torch.autograd.Function):
    """Every worker's tensor added up, for every worker; so are the gradients."""

    @staticmethod
    def forward(_ctx: Any, part: Tensor) -> Tensor:
        whole = part.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> Tensor:
        return _Sum.forward(_ctx, grad)


def _sum(part: Tensor) -> Tensor:
    whole: Tensor = _Sum.apply(part)  # type: ignore[no-untyped-call]
    return whole


class _SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over all workers' parts, computed in the type of the statistics.

    torch's own exists on GPUs only, where the host waits for the device three times in each.
    """

    @override
    def _check_input_dim(self, input: Tensor) -> None:  # the inner network's layer checked it
        pass

    @override
    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        x = input.to(self.running_mean.dtype)
        dims = [0, *range(2, x.ndim)]
        shape = [1, -1] + [1] * (x.ndim - 2)
        numbers = x.new_full((1,), x.numel() / x.shape[1])
        sums = _sum(torch.cat([x.sum(dims), numbers]))
        mean, count = sums[:-1] / sums[-1], sums[-1].detach()
        centred = x - mean.view(shape)
        var = _sum(centred.square().sum(dims)) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        scaled = centred * torch.rsqrt(var + self.eps).view(shape)
        out = torch.addcmul(self.bias.view(shape), scaled, self.weight.view(shape))
        return out.to(input.dtype)


def _share_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.__class__ = _SharedBatchNorm
