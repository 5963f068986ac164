"""Maps of the student's stages drawn to the teacher's, up to scale and shift of a channel."""

from typing import ClassVar

from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_weight, mean_squares, project
from fdsweep.trainers.distillers.pkd import FLOOR
from fdsweep.trainers.features.maps import match, on_channels, stages
from fdsweep.trainers.features.standardise import standardise


@registry.register("pkd-maps", version=1)
class PKDMaps(Distiller):
    """Pearson correlation of feature maps, as published (PKD, Cao et al., NeurIPS 2022).

    With x [N, C, ...] a stage's map, the student's first mapped to the teacher's channels where
    these differ (a learned linear map) and resized to its positions,

        pkd = Σ over stages of MSE(std(x_s), std(x_t)) / 2

    where std gives each channel the mean 0 and variance 1 over all samples and positions. That is
    Σ over stages of 1 - Pearson(x_s, x_t), the mean over channels. The teacher is detached.

    The stages are paired from the last one backwards, as many as both networks have, where the
    paper pairs the levels of two detectors' feature pyramids. The public code, open-mmlab/mmrazor,
    resizes bilinearly and divides by the standard deviation of a sample; here positions are
    averaged or repeated, and the variance is the mean of squares. Maps with different numbers of
    axes are compared with their positions in one row. Without maps the features are one map of one
    position. Where networks predict every pixel, void ones count too.

    Args:
        student_map_dims: channels of the student's maps.
        teacher_map_dims: channels of the teacher's maps.
        weight: of `pkd`. 1 is that of the loss in open-mmlab/mmrazor, whose detectors take 6
            or 10.

    Raises:
        ConfigError: a negative weight.
    """

    same_steps = same_epochs = True
    paper = "Cao et al., NeurIPS 2022, arXiv 2207.02039"
    group = "Feature"
    level = "maps"
    look = 12
    one_label = ""
    needs_classes = ""
    student_maps = True
    teacher_maps = True
    on_maps = "maps"
    trains_if_widths_differ = ("projects",)
    sources: ClassVar[dict[str, str]] = {
        "weight": "open-mmlab/mmrazor, the loss's own (its detectors: 6 or 10)"
    }

    def __init__(
        self,
        *,
        student_map_dims: tuple[int, ...],
        teacher_map_dims: tuple[int, ...],
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_weight("weight", weight)
        self.weights = {"pkd": weight}
        count = min(len(student_map_dims), len(teacher_map_dims))
        pairs = zip(student_map_dims[-count:], teacher_map_dims[-count:], strict=True)
        self.projects = nn.ModuleList(project(own, other) for own, other in pairs)

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        pkd = student.features.new_zeros(())
        count = len(self.projects)
        own, others = stages(student, count), stages(teacher.detach(), count)
        for layer, x, other in zip(self.projects, own, others, strict=True):
            guess, target = (_channels(y) for y in match(on_channels(layer, x), other))
            pkd = pkd + mean_squares(guess, target, "sum") / 2
        return {"pkd": pkd}


def _channels(x: Tensor) -> Tensor:
    """[C, N * positions], each channel of the map with mean 0 and norm 1."""
    return standardise(x.movedim(1, 0).flatten(1), FLOOR)
