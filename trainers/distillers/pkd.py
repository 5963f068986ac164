"""Features of the student drawn to those of the teacher, up to scale and shift of a sample."""

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_weight, mean_squares, project
from fdsweep.trainers.features.standardise import standardise

FLOOR = 1e-6
"""The smallest norm that centred features are divided by, for the sake of constant ones."""


@registry.register("pkd", version=1)
class PKD(Distiller):
    """Pearson correlation of pooled features (PKD, Cao et al., NeurIPS 2022, arXiv 2207.02039).

    `pkd` = MSE(std(P(x_s)), std(x_t)) / 2 = 1 - Pearson(P(x_s), x_t), the mean over N. x [N, D] are
    the features; std gives each sample the mean 0 and variance 1 over its D channels; P is the
    identity or, where widths differ, a learned linear map. The paper standardises maps, each
    channel over samples and positions: see `pkd-maps`.

    Args:
        student_dim: width of the student's features.
        teacher_dim: width of the teacher's features.
        weight: of `pkd`. 1 is that of the loss in the public code, open-mmlab/mmrazor, whose
            detectors take 6 or 10.

    Raises:
        ConfigError: a negative weight.
    """

    couples_samples = False
    same_steps = same_epochs = True
    paper = "Cao et al., NeurIPS 2022, arXiv 2207.02039"
    published = "PKD"
    group = "Feature"
    look = 5
    one_label = ""
    needs_classes = ""
    trains_if_widths_differ = ("project",)
    sources: ClassVar[dict[str, str]] = {
        "weight": "open-mmlab/mmrazor, the loss's own (its detectors: 6 or 10)"
    }

    def __init__(self, *, student_dim: int, teacher_dim: int, weight: float = 1.0) -> None:
        super().__init__()
        check_weight("weight", weight)
        self.project = project(student_dim, teacher_dim)
        self.weights = {"pkd": weight}

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        # of norm 1, which is std(x) / √D: sums over D here are means over D in the formula
        guess = standardise(self.project(student.features), FLOOR)
        pkd = mean_squares(guess, standardise(teacher.features.detach(), FLOOR), "sum") / 2
        return {"pkd": pkd}
