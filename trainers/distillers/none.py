"""No distillation: what every method is compared with."""

from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry


@registry.register("none")
class NoDistillation(Distiller):
    """The student learns its task alone; there are no terms, and no teacher is looked at."""

    published = "w/o KD"
    group = "Uni"
    level = "none"
    one_label = ""
    needs_classes = ""
    needs_teacher = False
    needs_pairs = False
    couples_samples = False
    same_steps = same_epochs = True

    @override
    def as_seen(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor
    ) -> tuple[Outputs, tuple[Outputs, ...], Tensor]:
        """As it is: nothing is looked at."""
        return student, teachers, labels

    @override
    def forward(
        self, student: Outputs, teacher: Outputs | None, labels: Tensor
    ) -> dict[str, Tensor]:
        return {}
