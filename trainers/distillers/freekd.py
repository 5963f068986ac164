"""Wavelet bands of the student's maps drawn to those of the teacher's."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight, project
from fdsweep.trainers.features.haar import haar_bands
from fdsweep.trainers.features.maps import match, on_channels, stages


@registry.register("freekd", version=1)
class FreeKD(Distiller):
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
    is a multiple of them.

    Three Haar levels, zeros beyond the edge, the L1 norm and its means are those of the authors'
    public code, Gumpest/FreeKD (RetinaNet on COCO), as is the weight of `high`. What differs:

    - There m = sigmoid(prompt · the teacher's bands added up), with several prompts of C channels
      each that are trained together with the teacher. Here the teacher is frozen, so m is made
      from its bands without parameters.
    - There only the high bands are compared, beside a squared error of the whole maps with
      weight 5. Here the low band takes the place of the latter.
    - The paper weights channels by relations between positions. Its code does not, nor is it
      done here.

    Args:
        student_map_dims: channels of the student's maps.
        teacher_map_dims: channels of the teacher's maps.
        weight_low: of `low`.
        weight_high: of `high`.
        levels: how often the positions are halved.
        mask: m as above; without, m = 1.

    Raises:
        ConfigError: a negative weight, or less than 1 level.
    """

    paper = "Zhang et al., CVPR 2024, arXiv 2311.12079"
    group = "Feature"
    level = "maps"
    look = 10
    student_maps = True
    teacher_maps = True
    sources: ClassVar[dict[str, str]] = {
        "weight_low": "ours (Gumpest/FreeKD has 5 for the squared error of whole maps)",
        "weight_high": "Gumpest/FreeKD, RetinaNet on COCO",
        "levels": "Gumpest/FreeKD",
        "mask": "ours, in place of the prompts of Gumpest/FreeKD",
    }

    def __init__(
        self,
        *,
        student_map_dims: tuple[int, ...],
        teacher_map_dims: tuple[int, ...],
        weight_low: float = 1.0,
        weight_high: float = 1.0,
        levels: int = 3,
        mask: bool = True,
    ) -> None:
        super().__init__()
        check_weight("weight_low", weight_low)
        check_weight("weight_high", weight_high)
        check_positive("levels", levels)
        self.weights = {"low": weight_low, "high": weight_high}
        self.levels, self.mask = levels, mask
        count = min(len(student_map_dims), len(teacher_map_dims))
        pairs = zip(student_map_dims[-count:], teacher_map_dims[-count:], strict=True)
        self.projects = nn.ModuleList(project(own, other) for own, other in pairs)

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        low = high = student.features.new_zeros(())
        count = len(self.projects)
        own, others = stages(student, count), stages(teacher.detach(), count)
        for layer, x, other in zip(self.projects, own, others, strict=True):
            guess, target = match(on_channels(layer, x), other)
            (low_s, high_s), (low_t, high_t) = (haar_bands(y, self.levels) for y in (guess, target))
            low = low + self._distance(low_s, low_t)
            for band, taught in zip(high_s, high_t, strict=True):
                high = high + self._distance(band, taught)
        return {"low": low, "high": high}

    def _distance(self, guess: Tensor, target: Tensor) -> Tensor:
        error = (guess - target).abs()
        return (error * _mask(target) if self.mask else error).mean()


def _mask(bands: Tensor) -> Tensor:
    """[N, 1, ...] in (0, 1) for one level's bands [bands, N, C, ...]: where they are large."""
    sizes = bands.abs().mean(dim=(0, 2))
    return F.layer_norm(sizes, sizes.shape[1:], eps=1e-12).sigmoid().unsqueeze(1)
