"""Workers of a trial that torch connects, or that compute on GPUs."""

from collections.abc import Callable

from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.torch.config import _TorchBackend
from ray.train.v2._internal.execution.worker_group.execution_group import ExecutionGroup
from typing_extensions import override

from fdsweep.orchestrator.execution.devices import usable
from fdsweep.orchestrator.execution.ray_compat.trainer import LeanTrainer


class _Backend(_TorchBackend):  # type: ignore[misc]
    """Torch's, once each worker has looked at the GPU that it was given."""

    @override
    def on_start(self, worker_group: ExecutionGroup, backend_config: TorchConfig) -> None:
        if worker_group.get_resources_per_worker().get("GPU"):
            worker_group.execute(usable.check)
        super().on_start(worker_group, backend_config)


class CheckedTorch(TorchConfig):  # type: ignore[misc]
    """Says in a sentence that torch cannot use a GPU, where NCCL would fail for another reason."""

    @property
    @override
    def backend_cls(self) -> type[_Backend]:
        return _Backend


class LeanTorchTrainer(LeanTrainer, TorchTrainer):  # type: ignore[misc]
    """A TorchTrainer that starts as few processes as can be."""

    def __init__(
        self, function: Callable[[dict[str, object]], None], *, patience: float, **parts: object
    ) -> None:
        super().__init__(function, patience=patience, torch_config=CheckedTorch(), **parts)
