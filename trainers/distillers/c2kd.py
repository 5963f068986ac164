"""Teacher and student learn from each other through a proxy of each."""

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import (
    check_choice,
    check_positive,
    check_weight,
    divergence,
    linear,
    soft_divergence,
)
from fdsweep.trainers.distillers.dkd import non_target
from fdsweep.trainers.features.pixels import samples

LABEL_CLASS = ("zeroed", "removed")
PROXIES = ("third-stage", "features")
STAGE = 3
SLOPE = 0.1
"""Of the proxies' leaky ReLU below 0."""

AT_ONCE = 2**22
"""Pairs of classes whose order is held in memory at a time, over all samples."""


@registry.register("c2kd", version=2)
class C2KD(Distiller):
    """Customized Crossmodal Knowledge Distillation (C²KD; Huo et al., CVPR 2024).

    Each network has a proxy, a second classifier. With z [N, C] the networks' logits, r those of
    the proxies and D(p, q) = T² KL(softmax(p / T) || softmax(q / T)), the mean over N, in which p
    is detached:

        teacher_task  = CE(z_t, y)
        student_proxy = D(z_s, r_s) + D(r_s, z_s)
        teacher_proxy = D(z_t, r_t) + D(r_t, z_t)
        cross         = D'(r_t, r_s) + D'(r_s, r_t)
        total         = task + weight_teacher * teacher_task
                        + weight_proxy * (student_proxy + teacher_proxy) + weight_cross * cross

    D' is D over the classes other than y, with 0 for samples whose proxies rank the classes too
    differently: Kendall's correlation of r_s and r_t must exceed `threshold`. Its mean is over all
    N samples. Both networks and both proxies train; two classes leave nothing to `cross` with the
    label removed.

    The proxy "third-stage" of a network is a linear layer on leaky ReLU(BN(W h)) with h [N, D] the
    third stage's map averaged over its positions, W [D, D] and a slope of 0.1. A network with
    fewer stages gives its last one, and one without maps its features; a last stage counts after
    the final ReLU. The proxies "features" are linear layers on the features.

    Where networks predict every pixel, each labelled one is a sample: N is their number, z and r
    are taken at the positions of z_s, and h is the third stage's map as it is, so that a proxy
    stands at every position of it (BN over all of them) and r are its logits, resized bilinearly.

    All this but for pixels, and the defaults, are those of the authors' public code,
    huofushuo/C2KD, in which T and the weights cannot be chosen but are 1.

    Args:
        num_classes: C.
        student_dim: width of the student's features.
        teacher_dim: width of the teacher's features.
        student_map_dims: channels of the student's maps.
        teacher_map_dims: channels of the teacher's maps.
        threshold: the rank correlation above which a sample counts, from -1 to 1.
        temperature: T.
        weight_teacher: of the teacher's own cross-entropy.
        weight_proxy: of what ties each network to its proxy.
        weight_cross: of what ties the proxies to each other.
        label_class: in `cross` the label's class has its logits "zeroed", as in the public code,
            or is "removed", which is to distil the non-target classes as the paper says.
        proxies: what they are made on, "third-stage" or "features".

    Raises:
        ConfigError: a value out of range, or an unknown `label_class` or kind of `proxies`.
    """

    paper = "Huo et al., CVPR 2024, pp. 16006-16015"
    published = "C2KD"
    group = "Cross"
    level = "logits"
    moves_teacher = True
    trains = ("student_proxy", "teacher_proxy")
    on_maps = "maps"
    one_label = "it leaves the label's class out and ranks the others"
    look = 3
    sources: ClassVar[dict[str, str]] = {
        "threshold": "huofushuo/C2KD",
        "temperature": "huofushuo/C2KD",
        "weight_teacher": "huofushuo/C2KD",
        "weight_proxy": "huofushuo/C2KD",
        "weight_cross": "huofushuo/C2KD",
        "label_class": "huofushuo/C2KD (the paper: non-target classes alone)",
        "proxies": "huofushuo/C2KD",
    }

    def __init__(
        self,
        *,
        num_classes: int,
        student_dim: int,
        teacher_dim: int,
        student_map_dims: tuple[int, ...],
        teacher_map_dims: tuple[int, ...],
        threshold: float = 0.0,
        temperature: float = 1.0,
        weight_teacher: float = 1.0,
        weight_proxy: float = 1.0,
        weight_cross: float = 1.0,
        label_class: str = "zeroed",
        proxies: str = "third-stage",
    ) -> None:
        super().__init__()
        if not -1 <= threshold <= 1:
            raise ConfigError(
                f"{threshold} is not a rank correlation", "threshold", "Give a number from -1 to 1"
            )
        check_positive("temperature", temperature)
        check_weight("weight_teacher", weight_teacher)
        check_weight("weight_proxy", weight_proxy)
        check_weight("weight_cross", weight_cross)
        check_choice("label_class", label_class, LABEL_CLASS)
        check_choice("proxies", proxies, PROXIES)
        self.threshold = threshold
        self.temperature = temperature
        self.weights = {
            "teacher_task": weight_teacher,
            "student_proxy": weight_proxy,
            "teacher_proxy": weight_proxy,
            "cross": weight_cross,
        }
        self.label_class = label_class
        self.on_stage = self.student_maps = self.teacher_maps = proxies == "third-stage"
        make: Callable[[int, int], nn.Module] = linear
        if self.on_stage:
            make = _proxy
            student_dim, teacher_dim = _third(student_map_dims), _third(teacher_map_dims)
        self.student_proxy = make(student_dim, num_classes)
        self.teacher_proxy = make(teacher_dim, num_classes)

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        # proxies' logits stand where features do, to be made samples of in one go
        own = student._replace(features=_everywhere(self.student_proxy, self._input(student)))
        other = teacher._replace(features=_everywhere(self.teacher_proxy, self._input(teacher)))
        if labels.ndim > 1:
            own, (other,), labels = samples(own, (other,), labels)
        teacher_task = F.cross_entropy(other.logits, labels)
        student_proxy = self._tie(own.logits, own.features)
        teacher_proxy = self._tie(other.logits, other.features)
        cross = self._cross(own.features, other.features, labels)
        return {
            "teacher_task": teacher_task,
            "student_proxy": student_proxy,
            "teacher_proxy": teacher_proxy,
            "cross": cross,
        }

    @override
    def combine(self, task: Tensor, terms: dict[str, Tensor]) -> Tensor:
        """The total with both proxies added up first."""
        weights = self.weights
        proxies = terms["student_proxy"] + terms["teacher_proxy"]
        total = task + weights["teacher_task"] * terms["teacher_task"]
        total = total + weights["student_proxy"] * proxies
        return total + weights["cross"] * terms["cross"]

    def _input(self, outputs: Outputs) -> Tensor:
        """[N, D], what a network's proxy sees; of a dense network [N, D, h, w]."""
        if not self.on_stage:
            return outputs.features
        maps = (outputs.features,) if outputs.maps is None else outputs.maps
        x = maps[STAGE - 1] if len(maps) > STAGE else F.relu(maps[-1])
        return x if x.ndim == outputs.logits.ndim else x.flatten(2).mean(dim=-1)

    def _tie(self, logits: Tensor, proxy: Tensor) -> Tensor:
        """Divergence both ways, each side learning from the other as it is: a scalar."""
        there = soft_divergence(proxy, logits.detach(), self.temperature)
        back = soft_divergence(logits, proxy.detach(), self.temperature)
        return there + back

    def _cross(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Divergence both ways without the label's class, over samples that agree: a scalar."""
        agree = kendall(student.detach(), teacher.detach()) > self.threshold
        hide = non_target if self.label_class == "removed" else _zero_target
        s, t = (hide(logits, labels) / self.temperature for logits in (student, teacher))
        both = divergence(s, t.detach()) + divergence(t, s.detach())
        return self.temperature**2 * (agree * both).mean()


def _everywhere(proxy: nn.Module, x: Tensor) -> Tensor:
    """[N, C, ...], the logits of `proxy` at every position of x [N, D, ...], if there are any."""
    last = x.movedim(1, -1)
    logits: Tensor = proxy(last.flatten(0, -2)).unflatten(0, last.shape[:-1])
    return logits.movedim(-1, 1)


def _third(map_dims: tuple[int, ...]) -> int:
    return map_dims[:STAGE][-1]


def _proxy(dim: int, num_classes: int) -> nn.Sequential:
    """From a stage at one position, [N, dim], to logits: a 1 x 1 convolution is linear there."""
    layer = nn.Linear(dim, dim, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    # only ever in training, so statistics of the batch are all it needs
    norm = nn.BatchNorm1d(dim, track_running_stats=False)
    return nn.Sequential(layer, norm, nn.LeakyReLU(SLOPE), nn.Linear(dim, num_classes))


def kendall(a: Tensor, b: Tensor) -> Tensor:
    """Kendall's tau-b of each row of a [N, C] with that of b: [N]; 0 if one is constant.

    It takes memory for C² numbers a row, of as many rows at a time as make it `AT_ONCE`.
    """
    rows = max(1, AT_ONCE // a.shape[-1] ** 2)
    pairs = zip(a.split(rows), b.split(rows), strict=True)
    return torch.cat([_kendall(*pair) for pair in pairs])


def _kendall(a: Tensor, b: Tensor) -> Tensor:
    signs_a, signs_b = _orders(a), _orders(b)
    untied = signs_a.abs().sum(dim=-1) * signs_b.abs().sum(dim=-1)
    return (signs_a * signs_b).sum(dim=-1) / untied.sqrt().clamp(min=1)


def _orders(x: Tensor) -> Tensor:
    """[N, C²], for every pair of a row's values 1, 0 or -1 as the first is above the second."""
    return (x[:, :, None] - x[:, None, :]).sign().flatten(1)


def _zero_target(logits: Tensor, labels: Tensor) -> Tensor:
    """[N, C], the logits with 0 for each sample's label."""
    return logits.scatter(-1, labels[:, None], 0.0)
