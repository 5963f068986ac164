"""The fine differences between neighbouring logits, beside the logits as a whole."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight, logit_divergence
from fdsweep.trainers.features.haar import content_and_detail


@registry.register("figkd", version=1)
class FiGKD(Distiller):
    """Fine-Grained Knowledge Distillation via high-frequency detail (Kim, arXiv 2505.11897).

    With z [N, C] the logits and T the temperature,

        kd     = T² KL(softmax(z_t / T) || softmax(z_s / T)), the mean over N
        detail = |detail(z_s) - detail(z_t)|², the mean over N and the coefficients
        total  = task + weight_kd * kd + weight_detail * detail

    The teacher is detached. Where samples have sets of labels, `kd` is that of the method `kd`.

    This is made from the abstract alone: the paper's formulas could not be found, nor any code of
    its author. Certain is that a discrete wavelet transform cuts the logits into content (low
    frequencies) and detail (high ones), and that the detail is what is transferred, since the
    labels teach the content. The rest is our choice: the Haar wavelet at one level, the squared
    error of unscaled details, the weights, and `kd` beside it; `weight_kd=0` transfers the detail
    alone. Which classes are compared follows from their order.

    Raises:
        ConfigError: a negative weight, or a temperature that is not above 0.
    """

    couples_samples = False
    same_steps = same_epochs = True
    paper = "Kim, 2025, arXiv 2505.11897 (from the abstract alone)"
    group = "Logit"
    level = "logits"
    look = 9
    one_label = ""
    needs_classes = "its logits are those of classes"
    sources: ClassVar[dict[str, str]] = {
        "weight_kd": "ours, from the abstract alone",
        "weight_detail": "ours, from the abstract alone",
        "temperature": "ours, from the abstract alone",
    }

    def __init__(
        self, *, weight_kd: float = 1.0, weight_detail: float = 1.0, temperature: float = 4.0
    ) -> None:
        super().__init__()
        check_weight("weight_kd", weight_kd)
        check_weight("weight_detail", weight_detail)
        check_positive("temperature", temperature)
        self.weights = {"kd": weight_kd, "detail": weight_detail}
        self.temperature = temperature

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        target = teacher.logits.detach()
        kd = logit_divergence(student.logits, target, self.temperature, labels)
        _, guess_detail = content_and_detail(student.logits)
        _, target_detail = content_and_detail(target)
        detail = F.mse_loss(guess_detail, target_detail)
        return {"kd": kd, "detail": detail}
