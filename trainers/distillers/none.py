"""No distillation: what every method is compared with."""

import torch.nn.functional as F
from torch import Tensor

from trainers.distillers import Distiller, Outputs, registry


@registry.register("none")
class CrossEntropy(Distiller):
    """Cross-entropy of the student's logits alone.

    Returns the scalar `task` and the same as `total`. The sizes are taken for the sake of the
    common call; nothing depends on them.
    """

    needs_teacher = False

    def __init__(self, *, num_classes: int, student_dim: int, teacher_dim: int) -> None:
        del num_classes, student_dim, teacher_dim
        super().__init__()

    def forward(
        self, student: Outputs, teacher: Outputs | None, labels: Tensor
    ) -> dict[str, Tensor]:
        """See `Distiller.forward`; `teacher` may be None."""
        del teacher
        task = F.cross_entropy(student.logits, labels)
        return {"task": task, "total": task}
