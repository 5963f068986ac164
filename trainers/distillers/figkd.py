"""The fine differences between neighbouring logits, beside the logits as a whole."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight, soft_divergence


@registry.register("figkd", version=1)
class FiGKD(Distiller):
    """Fine-Grained Knowledge Distillation via high-frequency detail (Kim, arXiv 2505.11897).

    With z [N, C] the logits and T the temperature,

        kd     = T² KL(softmax(z_t / T) || softmax(z_s / T)), the mean over N
        detail = |detail(z_s) - detail(z_t)|², the mean over N and the coefficients
        total  = task + weight_kd * kd + weight_detail * detail

    `task` is the cross-entropy of the student's logits; the teacher is detached.

    Certain is, from the paper's abstract, that a discrete wavelet transform cuts the logits into
    content (low frequencies) and detail (high ones), and that the detail is what is transferred,
    since the labels teach the content. The rest is our choice: the Haar wavelet at one level, the
    squared error of unscaled details, the weights, and `kd` beside it; `weight_kd=0` transfers the
    detail alone. Which classes are compared follows from their order.

    Raises:
        ConfigError: a negative weight, or a temperature that is not above 0.
    """

    paper = "Kim, 2025, arXiv 2505.11897"
    group = "Logit"
    level = "logits"

    def __init__(
        self, *, weight_kd: float = 1.0, weight_detail: float = 1.0, temperature: float = 4.0
    ) -> None:
        super().__init__()
        check_weight("weight_kd", weight_kd)
        check_weight("weight_detail", weight_detail)
        check_positive("temperature", temperature)
        self.weight_kd = weight_kd
        self.weight_detail = weight_detail
        self.temperature = temperature

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        """See `Distiller.forward`."""
        task = F.cross_entropy(student.logits, labels)
        target = teacher.logits.detach()
        kd = soft_divergence(student.logits, target, self.temperature)
        (_, guess_detail), (_, target_detail) = haar(student.logits), haar(target)
        detail = F.mse_loss(guess_detail, target_detail)
        total = task + self.weight_kd * kd + self.weight_detail * detail
        return {"task": task, "kd": kd, "detail": detail, "total": total}


def haar(x: Tensor) -> tuple[Tensor, Tensor]:
    """Content [N, ceil(C / 2)] and detail [N, floor(C / 2)] of x [N, C]: one level of Haar's.

    They are (x_0 + x_1) / √2 and (x_0 - x_1) / √2 of every pair of neighbours. Nothing is padded:
    a last value without a neighbour is content as it is, so the transform is orthonormal for
    every C.
    """
    paired = x.shape[-1] // 2 * 2
    first, second = x[..., :paired:2], x[..., 1:paired:2]
    content = torch.cat(((first + second) / math.sqrt(2), x[..., paired:]), dim=-1)
    return content, (first - second) / math.sqrt(2)
