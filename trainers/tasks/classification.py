"""Each sample belongs to one class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from fdsweep.trainers.datasets import DatasetInfo, Fold
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.imports.lazy import torch
from fdsweep.trainers.tasks import Task, class_weights, registry

if TYPE_CHECKING:
    from torch import Tensor


@registry.register("classification", version=1)
class Classification(Task):
    """Cross-entropy of the logits, judged by accuracy; the largest logit is the prediction.

    Kept of every test sample are `sample_id`, `group`, `label` and `prediction`.
    """

    couples_samples = False
    metric = "accuracy"
    balances = True

    @override
    def num_outputs(self, info: DatasetInfo) -> int:
        return len(info.classes)

    @override
    def loss(self, student: Outputs, labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(student.logits, labels)

    @override
    def balanced_loss(self, fold: Fold) -> Callable[[Outputs, Tensor], Tensor]:
        """Mean of w_y CE(z, y), w_c = n / (k n_c): n_c of n training samples have class c.

        k is how many classes occur, so that w is 1 on average over the training split.
        """
        weights = class_weights(torch.bincount(fold.labels[fold.train], minlength=fold.num_classes))

        def loss(student: Outputs, labels: Tensor) -> Tensor:
            errors = torch.nn.functional.cross_entropy(student.logits, labels, reduction="none")
            return (weights[labels] * errors).mean()

        return loss

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
