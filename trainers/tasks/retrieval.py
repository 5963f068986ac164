"""Each sample is to be found by its own sample of another modality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from fdsweep.search_spaces.ranking.retrieval import RECALLS, found
from fdsweep.trainers.datasets import DatasetInfo, Fold
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.imports.lazy import torch
from fdsweep.trainers.tasks import Task, registry

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 128
"""E, the width of the space: as in SimCLR (Chen et al., ICML 2020, arXiv 2002.05709)."""

TEMPERATURE = 0.07
"""Fixed: that which CLIP starts from (Radford et al., ICML 2021, arXiv 2103.00020)."""

TIE = 1e-9
"""Similarities so near count as equal: that is rounding."""

ROWS = 1024
"""Samples whose similarities to all others are held at once."""


@registry.register("retrieval", version=1)
class Retrieval(Task):
    """InfoNCE both ways against another modality's network, judged by the mean recall.

    With x [N, E] the network's logits, y [N, E] those of the other modality's network for the same
    samples, both divided by their lengths, S = x yᵀ [N, N], and CE(S, n) the mean cross-entropy of
    its rows where the right column is their own, the loss is CLIP's (Radford et al., figure 3):

        loss = (CE(S / T, n) + CE(Sᵀ / T, n)) / 2

    A sample's rank is how many of a split's samples of the other modality, its own included, are at
    least as similar to it as its own, so that what is alike to all finds nothing. Of the ranks of x
    that looks for y, and `back`, of y that looks for x:

        recall_at_k = the share of ranks up to k, of 1, 5 and 10
        median_rank = their median, of two middle ones the mean
        mean_recall = the mean of the six recalls; the sum is what VSE++ chooses by (Faghri et al.,
                      BMVC 2018, arXiv 1707.05612)

    A teacher learns beside a network of the student's modality, which is then left; the student
    learns to meet the teacher as it is, as in LiT (Zhai et al., CVPR 2022, arXiv 2111.07991).

    Kept of every test sample are `sample_id`, `group`, `rank` and `rank_back`.
    """

    metric = "mean_recall"
    aligns = True

    @override
    def num_outputs(self, info: DatasetInfo) -> int:
        return WIDTH

    @override
    def loss(self, student: Outputs, labels: Tensor) -> Tensor:
        normalize, entropy = torch.nn.functional.normalize, torch.nn.functional.cross_entropy
        similarities = normalize(student.logits) @ normalize(labels).T / TEMPERATURE
        own = torch.arange(len(labels), device=labels.device)
        return (entropy(similarities, own) + entropy(similarities.T, own)) / 2

    @override
    def predict(self, logits: Tensor, labels: Tensor) -> Tensor:
        """[N, 2, E], the sample's embedding and that of the other modality, of length 1."""
        return torch.nn.functional.normalize(torch.stack([logits, labels], dim=1), dim=-1)

    @override
    def measure(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        ranks, ranks_back = _both(predictions)
        shares = torch.tensor(found(ranks.tolist(), ranks_back.tolist())).double().mean(dim=0)
        return {
            self.metric: float(shares.mean()),
            **dict(zip(RECALLS, shares.tolist(), strict=True)),
            "median_rank": float(ranks.double().quantile(0.5)),
            "median_rank_back": float(ranks_back.double().quantile(0.5)),
        }

    @override
    def keep(self, predictions: Tensor, fold: Fold) -> dict[str, list[Any]]:
        test = fold.test.tolist()
        ranks, ranks_back = _both(predictions)
        return {
            "sample_id": [fold.sample_ids[i] for i in test],
            "group": [fold.groups[i] for i in test],
            "rank": ranks.tolist(),
            "rank_back": ranks_back.tolist(),
        }


def _both(predictions: Tensor) -> tuple[Tensor, Tensor]:
    """The ranks [N] of the network's samples, and back."""
    own, other = predictions.double().unbind(dim=1)
    return _ranks(own, other), _ranks(other, own)


def _ranks(queries: Tensor, gallery: Tensor) -> Tensor:
    """At which place, from 1, each of `queries` [N, E] finds its own in the `gallery` [N, E]."""
    own = (queries * gallery).sum(dim=-1)
    parts = zip(queries.split(ROWS), own.split(ROWS), strict=True)
    counts = [(part @ gallery.T > known[:, None] - TIE).sum(dim=1) for part, known in parts]
    return torch.cat(counts)
