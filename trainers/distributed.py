"""Several workers on one global batch, with the numbers of one worker.

Each worker runs the student on its part of the batch; the outputs are gathered before the
distiller sees them, so a loss that relates samples with each other sees the whole batch, and
batch normalisation uses the statistics of the whole batch. Without a process group of several
workers every function here does nothing.
"""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from fdsweep.trainers.features.outputs import Outputs


def world_size() -> int:
    """Number of workers that share this replicate."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this worker, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def shard(indices: Tensor) -> Tensor:
    """This worker's contiguous part of `indices` [N]; parts differ by one at most."""
    return indices.tensor_split(world_size())[rank()]


def wrap(network: nn.Module) -> nn.Module:
    """`network` as each worker runs it: gradients averaged, batch statistics shared."""
    if world_size() == 1:
        return network
    device = next(network.parameters()).device
    if device.type == "cuda":
        synced = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return nn.parallel.DistributedDataParallel(synced, device_ids=[device])
    _share_statistics(network)
    return nn.parallel.DistributedDataParallel(network)


def unwrap(network: nn.Module) -> nn.Module:
    """The network inside `wrap(network)`."""
    inner = network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network
    assert isinstance(inner, nn.Module)
    return inner


def gather(outputs: Outputs) -> Outputs:
    """Outputs of the whole batch from every worker's equal part; gradients flow to each part."""
    if world_size() == 1:
        return outputs
    maps = outputs.maps and tuple(_gather(x) for x in outputs.maps)
    return Outputs(_gather(outputs.features), _gather(outputs.logits), maps)


def gather_rows(rows: Tensor) -> Tensor:
    """Rows [n_0 + n_1 + …, ...] of all workers in order of rank; the n_r may differ."""
    if world_size() == 1:
        return rows
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(count) for _ in range(world_size())]
    dist.all_gather(counts, count)
    longest = max(int(n) for n in counts)
    padded = F.pad(rows, [0, 0] * (rows.ndim - 1) + [0, longest - len(rows)])
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(n)] for part, n in zip(parts, counts, strict=True)])


def _gather(part: Tensor) -> Tensor:
    whole: Tensor = _Gather.apply(part)  # type: ignore[no-untyped-call]
    return whole


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, part: Tensor) -> Tensor:
        parts = [torch.empty_like(part) for _ in range(world_size())]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> Tensor:
        # Every worker computes the same loss of the whole batch, and DistributedDataParallel
        # averages what each part contributes: times the number of workers makes it the sum.
        part: Tensor = grad.tensor_split(world_size())[rank()]
        return part * world_size()


class _SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over all workers' equal parts; torch's own exists on GPUs only."""

    def _check_input_dim(self, input: Tensor) -> None:  # the inner network's layer checked it
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        dims = [0, *range(2, input.ndim)]
        shape = [1, -1] + [1] * (input.ndim - 2)
        mean = all_reduce(input.mean(dims)) / world_size()
        centred = input - mean.view(shape)
        var = all_reduce(centred.square().mean(dims)) / world_size()
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            count = input.numel() / input.shape[1] * world_size()
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        scaled = centred * torch.rsqrt(var + self.eps).view(shape)
        return torch.addcmul(self.bias.view(shape), scaled, self.weight.view(shape))


def _share_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.__class__ = _SharedBatchNorm
