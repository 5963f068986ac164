"""What a prediction of a network costs: weights, arithmetic, and time on this machine."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from fdsweep.search_spaces.configs import NetworkConfig
from fdsweep.trainers import environment, teachers
from fdsweep.trainers.datasets import Dataset
from fdsweep.trainers.distributed import Placed, Runtime
from fdsweep.trainers.trials.alone import alone

PASSES, PATIENCE_S = 15, 0.15
"""A median is of so many passes, or fewer where they take longer than that together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Of predicting with a network in evaluation mode.

    Attributes:
        parameters: all its weights, frozen ones included; running statistics are none.
        flops: of the forward pass of one sample, a multiply-add as 2: matrix products,
            convolutions and attention, as `torch.utils.flop_counter` counts them.
        latency: median seconds of a pass of one sample.
        batch: samples of a larger pass: the training's batch; on a CPU no more than PATIENCE_S
            is enough for.
        batch_latency: median seconds of that pass.
        device: what both passes ran on.
    """

    parameters: int
    flops: int
    latency: float
    batch: int
    batch_latency: float
    device: str


def measure(
    configs: Sequence[NetworkConfig], dataset: Dataset, storage: str, device: torch.device
) -> list[Cost]:
    """The costs of the networks of `configs`, untrained, on `device`; one thread of a CPU.

    Args:
        configs: the networks.
        dataset: its data; one sample is looked at.
        storage: where pretrained weights lie.
        device: where they predict.

    Raises:
        DataError: pretrained weights are not in the storage, or the data cannot be read.
    """
    return alone(device, _measure_all, configs, dataset, storage, device)


def _measure_all(
    configs: Sequence[NetworkConfig], dataset: Dataset, storage: str, device: torch.device
) -> list[Cost]:
    return [_measure(config, dataset, storage, device) for config in configs]


def _measure(config: NetworkConfig, dataset: Dataset, storage: str, device: torch.device) -> Cost:
    network = teachers.build(config, dataset.info, 0, "costs", storage)
    view = dataset.view(config.modality).to(device)
    runtime = Runtime.here(device)
    placed = runtime.place(network.requires_grad_(False).eval())
    with torch.inference_mode():
        flops = count_flops(placed.network, view)
        latency = _latency(placed, view)
        fit = config.optim.batch_size
        if device.type == "cpu":
            fit = max(1, min(fit, int(PATIENCE_S / latency)))
        views = view.expand(fit, *view.shape[1:]).contiguous()
        batch_latency = _latency(placed, views) if fit > 1 else latency
    return Cost(
        parameters=sum(weight.numel() for weight in network.parameters()),
        flops=flops,
        latency=latency,
        batch=fit,
        batch_latency=batch_latency,
        device=_spell(runtime),
    )


def count_flops(network: nn.Module, view: Tensor) -> int:
    """FLOPs of a forward pass of `view` [N, ...], as in `Cost`."""
    from torch.utils.flop_counter import FlopCounterMode  # slow to import

    # attention in one kernel for CPUs is not counted; as matrix products it is
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(view)
    return int(counter.get_total_flops())


def _latency(placed: Placed, views: Tensor) -> float:
    """Median seconds of a pass of `views` [N, ...]; the first one counts if it is the only one."""
    times = [_pass(placed, views)]
    while len(times) <= PASSES and sum(times) < PATIENCE_S:
        times.append(_pass(placed, views))
    return statistics.median(times[1:] or times)


def _pass(placed: Placed, views: Tensor) -> float:
    begun = time.perf_counter()
    placed(views, maps=False)
    if views.is_cuda:
        torch.cuda.synchronize(views.device)
    return time.perf_counter() - begun


def _spell(runtime: Runtime) -> str:
    if runtime.device.type == "cuda":
        return runtime.device_name
    return f"one thread of {environment.processor()}"
