"""Wavelet bands of the student's maps drawn to those of the teacher's."""

from collections.abc import Sequence
from typing import ClassVar, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.distillers import Outputs, registry
from fdsweep.trainers.distillers.base import (
    WithClassifier,
    check_count,
    check_positive,
    check_weight,
    label_error,
    project,
)
from fdsweep.trainers.features.haar import from_haar_bands, haar_bands
from fdsweep.trainers.features.maps import match, on_channels, stages
from fdsweep.trainers.features.pixels import labelled, labels_at, rows

FLOOR = 1e-12
START = 0.01
"""SD of the prompts before training, as published."""

Bands: TypeAlias = tuple[Tensor, list[Tensor]]
"""The low band and the high ones of each level, as `haar_bands` gives them."""


@registry.register("freekd", version=1)
class FreeKD(WithClassifier):
    """FreeKD on feature maps (Zhang et al., CVPR 2024, arXiv 2311.12079), with a frozen teacher.

    With x [N, C, ...] a stage's map, the student's first mapped to the teacher's channels where
    these differ (a learned linear map) and averaged to its positions, low and high_l the Haar
    bands of x over its positions, levels l = 1 to `levels`:

        low   = Σ over stages of mean |m (low_s - low_t)|
        high  = Σ over stages and levels of mean |m (high_l,s - high_l,t)|
        m     = sigmoid(std over positions of (mean over channels of |the teacher's band|))
        total = task + weight_low * low + weight_high * high

    Means are over samples, channels, positions and, for maps with r axes, the level's 2^r - 1
    high bands, which share one m [N, 1, ...]. The stages are paired from the last one backwards,
    as many as both networks have. Without maps the features are one map of one position: each band
    is a multiple of them. Where networks predict every pixel, maps are compared at all positions,
    void ones too.

    With `prompts` the masks are learned, as published: m is the mean over T prompts p, of C
    channels each and with T of its own for the low band and for each level, of

        m_p    = sigmoid(p · the teacher's bands of that level added up) [N, 1, ...], detached
        prompt = CE(classifier(ReLU(x')), y) + Σ over low, high_l of the mean overlap of two m_p

    `prompt` trains the prompts, with weight 1. x' is put together again from the teacher's bands,
    each times the sum of its m_p; the classifier is a copy of the teacher's (of dense networks at
    every position, for labelled pixels; else on the average); and the overlap of masks a and b is
    Dice's, 2 a · b / (a · a + b · b). As the classifier reads the last stage, that is the only one
    compared.

    Three Haar levels, zeros beyond the edge, the L1 norm and its means are those of the authors'
    public code, Gumpest/FreeKD (RetinaNet on COCO), as is the weight of `high`. Its form, but for a
    detector's heads, is prompts=6, weight_low=0, whole=5. What differs:

    - There prompts are trained beforehand, in the teacher as it is finetuned, and then kept. Here
      they are trained along with the student, for a teacher that is frozen.
    - By default m is made from the teacher's bands without parameters, and the low band takes the
      place of `whole`.
    - The paper weights channels by relations between positions. Its code does not, nor is it
      done here.

    Args:
        student_map_dims: channels of the student's maps.
        teacher_map_dims: channels of the teacher's maps.
        weight_low: of `low`.
        weight_high: of `high`.
        levels: how often the positions are halved.
        mask: m as above; without, m = 1.
        prompts: T, or 0 for masks without parameters.
        whole: weight of the mean squared error of the maps themselves, summed over stages; 0
            leaves it out.

    Raises:
        ConfigError: a negative weight or number, less than 1 level, prompts without a mask, or a
            teacher whose classifier is needed and was never attached.
    """

    couples_samples = False
    same_steps = same_epochs = True
    paper = "Zhang et al., CVPR 2024, arXiv 2311.12079"
    group = "Feature"
    level = "maps"
    look = 10
    one_label = ""
    needs_classes = ""
    student_maps = True
    teacher_maps = True
    on_maps = "maps"
    trains_if_widths_differ = ("projects",)
    sources: ClassVar[dict[str, str]] = {
        "weight_low": "ours (Gumpest/FreeKD has 5 for the squared error of whole maps)",
        "weight_high": "Gumpest/FreeKD, RetinaNet on COCO",
        "levels": "Gumpest/FreeKD",
        "mask": "ours, in place of the prompts of Gumpest/FreeKD",
        "prompts": "ours (Gumpest/FreeKD: 6)",
        "whole": "ours (Gumpest/FreeKD: 5)",
    }
    absent_if_unset = ("prompts", "whole")

    def __init__(
        self,
        *,
        student_map_dims: tuple[int, ...],
        teacher_map_dims: tuple[int, ...],
        weight_low: float = 1.0,
        weight_high: float = 1.0,
        levels: int = 3,
        mask: bool = True,
        prompts: int = 0,
        whole: float = 0.0,
    ) -> None:
        super().__init__()
        check_weight("weight_low", weight_low)
        check_weight("weight_high", weight_high)
        check_weight("whole", whole)
        check_positive("levels", levels)
        check_count("prompts", prompts)
        if prompts and not mask:
            raise ConfigError(
                "prompts make the mask, and mask=false leaves none", "freekd", "Give one of them"
            )
        self.weights = {"low": weight_low, "high": weight_high}
        if whole:
            self.weights["whole"] = whole
        self.levels, self.mask = levels, mask
        count = 1 if prompts else min(len(student_map_dims), len(teacher_map_dims))
        pairs = zip(student_map_dims[-count:], teacher_map_dims[-count:], strict=True)
        self.projects = nn.ModuleList(project(own, other) for own, other in pairs)
        self.prompts: Prompts | None = None
        if prompts:
            self.weights["prompt"] = 1.0
            self.needs_classes = "prompts learn from the teacher's classifier unless prompts=0"
            self.prompts = Prompts(levels, prompts, teacher_map_dims[-1])

    @override
    def attach(self, teacher: Backbone) -> None:
        """Copy the teacher's classifier, where prompts learn from it."""
        if self.prompts is not None:
            super().attach(teacher)

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        terms = {name: student.features.new_zeros(()) for name in self.weights}
        count = len(self.projects)
        own, others = stages(student, count), stages(teacher.detach(), count)
        for layer, x, other in zip(self.projects, own, others, strict=True):
            guess, target = match(on_channels(layer, x), other)
            bands, taught = (haar_bands(y, self.levels) for y in (guess, target))
            masks = [_mask(band) if self.mask else None for band in (taught[0], *taught[1])]
            if self.prompts is not None:
                learned = self.prompts(taught)
                terms["prompt"] = self._prompt(taught, learned, target.shape[2:], labels)
                masks = [mask.detach().mean(dim=1, keepdim=True) for mask in learned]
            terms["low"] = terms["low"] + _distance(bands[0], taught[0], masks[0])
            for trio in zip(bands[1], taught[1], masks[1:], strict=True):
                terms["high"] = terms["high"] + _distance(*trio)
            if "whole" in terms:
                terms["whole"] = terms["whole"] + F.mse_loss(guess, target)
        return terms

    def _prompt(
        self, taught: Bands, masks: list[Tensor], positions: Sequence[int], labels: Tensor
    ) -> Tensor:
        """What the prompts lose, from the teacher's last map of `positions` and their masks."""
        kept = [mask.sum(dim=1, keepdim=True) for mask in masks]
        high = [band * mask for band, mask in zip(taught[1], kept[1:], strict=True)]
        last = F.relu(from_haar_bands(taught[0] * kept[0], high, positions))
        if labels.ndim < 3:
            seen = last.flatten(2).mean(dim=-1)
        else:
            labels = labels_at(labels, *positions)
            where = labelled(labels)
            seen, labels = rows(last, where), labels[where]
        return sum(map(_overlap, masks), label_error(self.taught(seen), labels))


class Prompts(nn.Module):
    """T vectors of C channels for the low band and for the high ones of each level."""

    def __init__(self, levels: int, count: int, channels: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(levels + 1, count, channels))
        nn.init.normal_(self.vectors, std=START)

    def forward(self, bands: Bands) -> list[Tensor]:
        """Masks [N, T, ...] in (0, 1) of the low band, and of each level's high ones together."""
        together = (band.sum(dim=0) for band in (bands[0], *bands[1]))
        pairs = zip(self.vectors, together, strict=True)
        return [torch.einsum("tc,nc...->nt...", *pair).sigmoid() for pair in pairs]


def _overlap(masks: Tensor) -> Tensor:
    """Dice's coefficient of two of the masks [N, T, ...], the mean over N and all pairs."""
    flat = masks.flatten(2)
    products = flat @ flat.mT
    squares = products.diagonal(dim1=1, dim2=2)
    dice = 2 * products / (squares[:, :, None] + squares[:, None, :]).clamp(min=FLOOR)
    count = masks.shape[1]
    others = dice.sum(dim=(1, 2)) - dice.diagonal(dim1=1, dim2=2).sum(dim=1)
    return others.mean() / max(count * (count - 1), 1)


def _distance(guess: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    error = (guess - target).abs()
    return (error if mask is None else error * mask).mean()


def _mask(bands: Tensor) -> Tensor:
    """[N, 1, ...] in (0, 1) for one level's bands [bands, N, C, ...]: where they are large."""
    sizes = bands.abs().mean(dim=(0, 2))
    return F.layer_norm(sizes, sizes.shape[1:], eps=FLOOR).sigmoid().unsqueeze(1)
