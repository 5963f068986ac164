"""Wavelet bands of the student's pooled features drawn to those of the teacher's."""

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight, project
from fdsweep.trainers.features.haar import haar_bands


@registry.register("freekd-pooled", version=1)
class FreeKDPooled(Distiller):
    """What is left of FreeKD (Zhang et al., CVPR 2024, arXiv 2311.12079) on pooled features.

    With x [N, D] the features, P the identity or, where widths differ, a learned linear
    map, and Haar bands of P(x_s) - x_t over its channels:

        low   = |the low band of the last level|² / (N D)
        high  = |all high bands|² / (N D)
        total = task + weight_low * low + weight_high * high

    The transform is orthonormal, so low + high is the mean squared error (Parseval): with equal
    weights this is `feat`. FreeKD's masks, L1 norm and weights belong to positions, which pooled
    features lack; see `freekd`.

    Args:
        student_dim: width of the student's features.
        teacher_dim: width of the teacher's features.
        weight_low: of `low`.
        weight_high: of `high`.
        levels: how often the channels are halved.

    The weights are ours, the levels those of Gumpest/FreeKD.

    Raises:
        ConfigError: a negative weight, or less than 1 level.
    """

    couples_samples = False
    same_steps = same_epochs = True
    paper = "after Zhang et al., CVPR 2024, arXiv 2311.12079"
    group = "Feature"
    look = 11
    one_label = ""
    needs_classes = ""
    trains_if_widths_differ = ("project",)
    sources: ClassVar[dict[str, str]] = {
        "weight_low": "ours",
        "weight_high": "ours",
        "levels": "Gumpest/FreeKD",
    }

    def __init__(
        self,
        *,
        student_dim: int,
        teacher_dim: int,
        weight_low: float = 1.0,
        weight_high: float = 1.0,
        levels: int = 3,
    ) -> None:
        super().__init__()
        check_weight("weight_low", weight_low)
        check_weight("weight_high", weight_high)
        check_positive("levels", levels)
        self.weights = {"low": weight_low, "high": weight_high}
        self.levels = levels
        self.project = project(student_dim, teacher_dim)

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        error = self.project(student.features) - teacher.features.detach()
        bands = haar_bands(error, self.levels, axis=1)
        low = bands[0].square().sum() / error.numel()
        high = sum((x.square().sum() for x in bands[1]), error.new_zeros(())) / error.numel()
        return {"low": low, "high": high}
