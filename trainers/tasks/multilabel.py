"""Each sample has any number of labels, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from fdsweep.search_spaces.ranking import (
    THRESHOLD,
    average_precisions,
    mean_average_precision,
)
from fdsweep.trainers.datasets import DatasetInfo, Fold
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.imports.lazy import torch
from fdsweep.trainers.tasks import Task, class_weights, registry

if TYPE_CHECKING:
    from torch import Tensor


@registry.register("multilabel", version=1)
class Multilabel(Task):
    """Binary cross-entropy of each class, judged by the mean over classes of average precision.

    With z [N, C] the logits, σ(z) the probabilities of the classes, each by itself, and y [N, C]
    the labels, 0 or 1:

        loss     = the mean over N and C of -y log σ(z) - (1 - y) log σ(-z)
        map      = the mean of the average precisions of the classes that occur in a split
                   (`ranking.average_precisions`)
        macro_f1 = the mean of 2 TP / (2 TP + FP + FN) over the classes that occur, or that are
                   predicted: above `THRESHOLD`
        micro_f1 = the same with TP, FP and FN added up over all classes

    Kept of every test sample are `sample_id`, `group`, `labels` (the numbers of its classes) and
    `scores` (the probability of every class).
    """

    metric = "map"
    sets = True
    balances = True
    couples_samples = False

    @override
    def num_outputs(self, info: DatasetInfo) -> int:
        return len(info.classes)

    @override
    def loss(self, student: Outputs, labels: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(student.logits, labels)

    @override
    def balanced_loss(self, fold: Fold) -> Callable[[Outputs, Tensor], Tensor]:
        """Each class's samples with it weigh as much as those without: n / (2 n_y) a sample.

        n_y of n training samples have the class, or have it not.
        """
        assert fold.label_sets is not None
        known = fold.label_sets[fold.train]
        sides = torch.stack([(1 - known).sum(dim=0), known.sum(dim=0)], dim=1)
        without, with_it = torch.stack([class_weights(pair) for pair in sides], dim=1)

        def loss(student: Outputs, labels: Tensor) -> Tensor:
            weights = torch.where(labels > 0, with_it, without)
            entropy = torch.nn.functional.binary_cross_entropy_with_logits
            return entropy(student.logits, labels, weight=weights)

        return loss

    @override
    def predict(self, logits: Tensor, labels: Tensor) -> Tensor:
        """[N, C, 2], the probability of each class, and whether it is there."""
        return torch.stack([logits.sigmoid(), labels.to(logits.dtype)], dim=-1)

    @override
    def measure(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        scores, truths = predictions.cpu().unbind(-1)
        precisions = average_precisions((truths > 0).numpy(), scores.numpy())
        guesses, known = scores > THRESHOLD, truths > 0
        hits, wrong = (guesses & known).sum(dim=0), (guesses != known).sum(dim=0)
        there = hits + wrong > 0
        each = 2 * hits / (2 * hits + wrong).clamp(min=1)
        micro = 2 * hits.sum() / (2 * hits + wrong).sum().clamp(min=1)
        return {
            self.metric: float(mean_average_precision(precisions[0])),
            "macro_f1": float(each.sum() / there.sum().clamp(min=1)),
            "micro_f1": float(micro),
        }

    @override
    def keep(self, predictions: Tensor, fold: Fold) -> dict[str, list[Any]]:
        test = fold.test.tolist()
        scores, truths = predictions.cpu().unbind(-1)
        return {
            "sample_id": [fold.sample_ids[i] for i in test],
            "group": [fold.groups[i] for i in test],
            "labels": [own.nonzero().flatten().tolist() for own in truths],
            "scores": scores.tolist(),
        }
