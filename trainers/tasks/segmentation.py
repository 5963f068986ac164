"""Each pixel belongs to one class, or to none."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.search_spaces.palette import palette
from fdsweep.trainers.datasets import DatasetInfo, Fold
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.features.pixels import IGNORE, resized
from fdsweep.trainers.imports.lazy import Image, torch
from fdsweep.trainers.tasks import Task, class_weights, registry

if TYPE_CHECKING:
    from torch import Tensor

HIGHEST = 128
"""Of an illustration's pictures: taller ones are shown by every second pixel, every third, …"""

BETWEEN = 4
"""White columns between the pictures of an illustration."""


@registry.register("segmentation", version=1)
class Segmentation(Task):
    """Cross-entropy of the labelled pixels, judged by the mean over classes of their overlap.

    Logits [N, C, h, w] are resized bilinearly to the labels' [N, H, W]; the largest is the
    prediction. Over all labelled pixels of a split and for each class, be I the pixels that have it
    as label and as prediction, U those that have it as either:

        miou           = mean of I / U over the classes with U > 0
        pixel_accuracy = Σ I / labelled pixels

    Pixels labelled `IGNORE` count nowhere, whatever they are taken for. Kept of every test sample
    are rows for the classes with U > 0 in it: `sample_id`, `group`, `label` (the class),
    `intersection`, `union` and `labelled` (its pixels). They add up to the split's.
    """

    metric = "miou"
    dense = True
    balances = True
    examples = 4

    @override
    def num_outputs(self, info: DatasetInfo) -> int:
        return len(info.classes)

    @override
    def loss(self, student: Outputs, labels: Tensor) -> Tensor:
        return _mean_error(student.logits, labels, None)

    @override
    def balanced_loss(self, fold: Fold) -> Callable[[Outputs, Tensor], Tensor]:
        """As of a classification, with the labelled pixels of the training split as samples."""
        from fdsweep.trainers.loaders import evaluated_views  # brings torch

        assert fold.label_maps is not None
        counts = torch.zeros(IGNORE + 1, dtype=torch.int64, device=fold.labels.device)
        for maps in evaluated_views(fold.label_maps, fold.train):
            counts += torch.bincount(maps.flatten(), minlength=IGNORE + 1)
        weights = class_weights(counts[: fold.num_classes])
        return lambda student, labels: _mean_error(student.logits, labels, weights)

    @override
    def predict(self, logits: Tensor, labels: Tensor) -> Tensor:
        """[N, C, 3], pixels of each class: right, predicted and labelled."""
        n, classes = logits.shape[:2]
        guess = resized(logits, *labels.shape[1:]).argmax(dim=1)
        known = labels != IGNORE
        first = classes * torch.arange(n, device=labels.device)[:, None, None]

        def count(values: Tensor, where: Tensor) -> Tensor:
            return torch.bincount((first + values)[where], minlength=n * classes).view(n, classes)

        right = count(guess, known & (guess == labels))
        return torch.stack([right, count(guess, known), count(labels, known)], dim=-1)

    @override
    def measure(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        intersection, predicted, labelled = predictions.sum(dim=0).double().unbind(-1)
        union = predicted + labelled - intersection
        overlap = (intersection / union)[union > 0]
        return {
            self.metric: float(overlap.mean()) if len(overlap) else 0.0,
            "pixel_accuracy": float(intersection.sum() / labelled.sum().clamp(min=1)),
        }

    @override
    def keep(self, predictions: Tensor, fold: Fold) -> dict[str, list[Any]]:
        intersection, predicted, labelled = predictions.unbind(-1)
        union = predicted + labelled - intersection
        rows, classes = union.nonzero(as_tuple=True)
        samples = fold.test.cpu()[rows.cpu()].tolist()
        return {
            "sample_id": [fold.sample_ids[i] for i in samples],
            "group": [fold.groups[i] for i in samples],
            "label": classes.tolist(),
            "intersection": intersection[rows, classes].tolist(),
            "union": union[rows, classes].tolist(),
            "labelled": labelled[rows, classes].tolist(),
        }

    @override
    def illustrate(self, inputs: Tensor, labels: Tensor, logits: Tensor) -> list[str]:
        """What the network was shown, the truth and its prediction, side by side."""
        guess = resized(logits, *labels.shape[1:]).argmax(dim=1)
        shown = resized(inputs, *labels.shape[1:])
        colours = np.zeros((256, 3), np.uint8)
        colours[: logits.shape[1]] = palette(logits.shape[1])
        step = -(-labels.shape[1] // HIGHEST)
        pictures = []
        for view, *maps in zip(shown.cpu(), labels.cpu(), guess.cpu(), strict=True):
            parts = [_picture(view), *(colours[x.numpy()] for x in maps)]
            pictures.append(_strip([part[::step, ::step] for part in parts]))
        return pictures


def _mean_error(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """The sum of the labelled pixels' cross-entropies, times `weights` [C], by their number."""
    logits = resized(logits, *labels.shape[1:])
    cross_entropy = partial(
        torch.nn.functional.cross_entropy, logits, labels, weight=weights, ignore_index=IGNORE
    )
    if logits.is_cuda:  # where torch's own sum adds up in another order each time
        total = cross_entropy(reduction="none").sum()
    else:
        total = cross_entropy(reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


def _picture(view: Tensor) -> NDArray[np.uint8]:
    """[H, W, 3], from the darkest to the lightest value; other than three channels in grey."""
    channels = view if len(view) == 3 else view[:1].expand(3, -1, -1)
    span = (channels.max() - channels.min()).clamp(min=1e-12)
    bytes_ = (255 * (channels - channels.min()) / span).round().byte()
    return bytes_.permute(1, 2, 0).numpy()


def _strip(parts: list[NDArray[np.uint8]]) -> str:
    gap = np.full((len(parts[0]), BETWEEN, 3), 255, np.uint8)
    content = io.BytesIO()
    image = np.concatenate([x for part in parts for x in (part, gap)][:-1], axis=1)
    Image.fromarray(image).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()
