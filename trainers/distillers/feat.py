"""Features of the student drawn to those of the teacher, as they are."""

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import (
    REDUCTIONS,
    check_choice,
    check_weight,
    mean_squares,
    project,
)


@registry.register("feat")
class Feat(Distiller):
    """Squared error of pooled features (FitNets, Romero et al., ICLR 2015, eq. 3).

    `feat` = |P(x_s) - x_t|² with x [N, D] the features, P the identity or, where widths differ, a
    learned linear map; the mean over N of the mean or sum over D (`reduction`).

    The weight of 1 is ours: public code, megvii-research/mdistiller and huofushuo/C2KD, compares
    maps, by their mean squared error with a weight of 100.

    Raises:
        ConfigError: a negative weight, or an unknown reduction.
    """

    couples_samples = False
    same_steps = same_epochs = True
    paper = "Romero et al., ICLR 2015, arXiv 1412.6550"
    published = "Feat"
    group = "Feature"
    look = 2
    one_label = ""
    needs_classes = ""
    trains_if_widths_differ = ("project",)
    sources: ClassVar[dict[str, str]] = {
        "weight": "ours (megvii-research/mdistiller and huofushuo/C2KD, on maps: 100)",
        "reduction": "megvii-research/mdistiller",
    }

    def __init__(
        self,
        *,
        student_dim: int,
        teacher_dim: int,
        weight: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        check_weight("weight", weight)
        check_choice("reduction", reduction, REDUCTIONS)
        self.project = project(student_dim, teacher_dim)
        self.weights = {"feat": weight}
        self.reduction = reduction

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        guess = self.project(student.features)
        feat = mean_squares(guess, teacher.features.detach(), self.reduction)
        return {"feat": feat}
