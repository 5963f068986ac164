"""Each sample belongs to one class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from fdsweep.trainers.datasets import DatasetInfo, Fold
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.imports.lazy import torch
from fdsweep.trainers.tasks import Task, registry

if TYPE_CHECKING:
    from torch import Tensor


@registry.register("classification", version=1)
class Classification(Task):
    """Cross-entropy of the logits, judged by accuracy; the largest logit is the prediction.

    Kept of every test sample are `sample_id`, `group`, `label` and `prediction`.
    """

    couples_samples = False
    metric = "accuracy"

    @override
    def num_outputs(self, info: DatasetInfo) -> int:
        return len(info.classes)

    @override
    def loss(self, student: Outputs, labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(student.logits, labels)

    @override
    def predict(self, logits: Tensor, labels: Tensor) -> Tensor:
        return logits.argmax(dim=1)

    @override
    def measure(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {self.metric: float((predictions == labels).float().mean())}

    @override
    def keep(self, predictions: Tensor, fold: Fold) -> dict[str, list[Any]]:
        test = fold.test.tolist()
        return {
            "sample_id": [fold.sample_ids[i] for i in test],
            "group": [fold.groups[i] for i in test],
            "label": fold.labels[fold.test].tolist(),
            "prediction": predictions.tolist(),
        }
