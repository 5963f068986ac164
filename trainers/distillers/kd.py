"""The teacher's softened probabilities as targets."""

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight, logit_divergence


@registry.register("kd", version=1)
class KD(Distiller):
    """Knowledge distillation through logits (Hinton, Vinyals, Dean 2015, section 2).

    With z [N, C] the logits and T the temperature,

        kd    = T² KL(softmax(z_t / T) || softmax(z_s / T)), the mean over N
        total = task + weight * kd

    The teacher is detached. Where samples have sets of labels, every class counts by itself: KL is
    that of two Bernoulli variables, σ(z_t / T) and σ(z_s / T), and the mean is over N and C.

    Args:
        weight: of `kd`, beside a cross-entropy of 1. The public code megvii-research/mdistiller
            has 0.9 beside 0.1 on CIFAR-100 and 0.5 beside 0.5 on ImageNet.
        temperature: T. mdistiller has 4 on CIFAR-100 and 1 on ImageNet.

    Raises:
        ConfigError: a negative weight, or a temperature that is not above 0.
    """

    couples_samples = False
    same_steps = same_epochs = True
    paper = "Hinton et al., 2015, arXiv 1503.02531"
    published = "Logit"
    group = "Logit"
    level = "logits"
    look = 1
    one_label = ""
    needs_classes = "its logits are those of classes"
    sources: ClassVar[dict[str, str]] = {
        "weight": "ours (megvii-research/mdistiller: 0.9 beside a cross-entropy of 0.1)",
        "temperature": "megvii-research/mdistiller, CIFAR-100",
    }

    def __init__(self, *, weight: float = 1.0, temperature: float = 4.0) -> None:
        super().__init__()
        check_weight("weight", weight)
        check_positive("temperature", temperature)
        self.weights = {"kd": weight}
        self.temperature = temperature

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        target = teacher.logits.detach()
        kd = logit_divergence(student.logits, target, self.temperature, labels)
        return {"kd": kd}
