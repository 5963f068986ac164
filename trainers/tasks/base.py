"""What every task is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from fdsweep.trainers.datasets import DatasetInfo, Fold
from fdsweep.trainers.features.outputs import Outputs

if TYPE_CHECKING:
    from torch import Tensor


class Task(ABC):
    """What a network learns from labels, and how its predictions are judged; it has no state.

    Attributes:
        metric: the score's name among the metrics: a fraction, the higher the better. On validation
            it chooses the epoch and the head.
        dense: every pixel has a label: labels are maps [N, H, W] and logits [N, C, h, w].
        sets: a sample has any number of labels: labels are sets [N, C] of 0 and 1, and each logit
            is of its class alone.
        aligns: what is known of a sample is its embedding by another modality's network, which is
            the teacher's (`protocol.partner`): labels are embeddings [N, C].
        balances: there is a `balanced_loss`.
        examples: of how many test samples `illustrate` is asked for a picture.
        couples_samples: the loss of a batch is not the mean of that of its parts.
    """

    metric: ClassVar[str]
    dense: ClassVar[bool] = False
    sets: ClassVar[bool] = False
    aligns: ClassVar[bool] = False
    balances: ClassVar[bool] = False
    examples: ClassVar[int] = 0
    couples_samples: ClassVar[bool] = True

    @abstractmethod
    def num_outputs(self, info: DatasetInfo) -> int:
        """C, the width of a network's logits for this data set."""

    @abstractmethod
    def loss(self, student: Outputs, labels: Tensor) -> Tensor:
        """The scalar that is trained beside the distillation terms: outputs and labels [N, ...]."""

    def balanced_loss(self, fold: Fold) -> Callable[[Outputs, Tensor], Tensor]:
        """The same with weights for which every class weighs the same in the training split.

        It is a mean over the samples of a batch like `loss`, of which weights are part, so that a
        batch of rare classes alone moves a network more than others do.
        """
        raise NotImplementedError(f"{type(self).__name__} says that it does not balance")

    @abstractmethod
    def predict(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What is known of N samples when a head gave `logits` [N, C, ...]: a row each, [N, ...].

        This is all that `measure` and `keep` see. `labels` [N, ...] are there for tasks whose
        predictions are too large to keep, which give what their metrics need instead.
        """

    @abstractmethod
    def measure(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        """Metrics by name over a split, `metric` and any others; each becomes a curve.

        `labels` [N] are those of `Fold.labels`; where these are not what a network learns, the
        predictions hold all that is needed.
        """

    @abstractmethod
    def keep(self, predictions: Tensor, fold: Fold) -> dict[str, list[Any]]:
        """Columns that are stored of the test split, in its order: plain values.

        Args:
            predictions: of the test split, by the head and at the epoch that validation chose.
            fold: the data; `fold.test` names the samples.
        """

    def illustrate(self, inputs: Tensor, labels: Tensor, logits: Tensor) -> list[str]:
        """A small picture of each of N samples: a PNG file in base64, kept beside their rows.

        Args:
            inputs: [N, channels, H, W], what the network was shown.
            labels: [N, ...].
            logits: [N, C, ...].
        """
        del inputs, labels, logits
        return []


def class_weights(counts: Tensor) -> Tensor:
    """[C], n / (k n_c) of classes that n_c > 0 of n have, k of them, and 0 of others.

    That is scikit-learn's class_weight="balanced".
    """
    there = counts > 0
    weights = counts.sum() / (there.sum() * counts.clamp(min=1))
    return weights.float() * there
