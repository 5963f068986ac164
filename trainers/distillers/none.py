"""No distillation: what every method is compared with."""

import torch.nn.functional as F
from torch import Tensor

from fdsweep.trainers.distillers import Distiller, Outputs, registry


@registry.register("none")
class CrossEntropy(Distiller):
    """Cross-entropy of the student's logits alone.

    Returns the scalar `task` and the same as `total`.
    """

    published = "w/o KD"
    group = "Uni"
    level = "none"
    needs_teacher = False
    needs_pairs = False

    def forward(
        self, student: Outputs, teacher: Outputs | None, labels: Tensor
    ) -> dict[str, Tensor]:
        """See `Distiller.forward`; `teacher` may be None."""
        del teacher
        task = F.cross_entropy(student.logits, labels)
        return {"task": task, "total": task}
