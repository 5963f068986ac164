"""The teacher's softened probabilities, those of the label apart from those of other classes."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight, divergence


@registry.register("dkd", version=2)
class DKD(Distiller):
    """Decoupled Knowledge Distillation (Zhao et al., CVPR 2022).

    With p = softmax(z / T) of the logits z [N, C], y the label, b = [p_y, 1 - p_y] and q [C - 1]
    the softmax of z / T over the classes other than y, each the mean over N:

        tckd  = T² KL(b_t || b_s)
        nckd  = T² KL(q_t || q_s)
        total = task + warmup * (alpha * tckd + beta * nckd)

    The teacher is detached. With two classes `nckd` is 0.

    Args:
        alpha: weight of the label against the rest.
        beta: weight of the other classes among each other. Published are 8, 6 and 2 on CIFAR-100,
            by pairs of networks, and 0.5 and 2 on ImageNet.
        temperature: T. Published are 4 on CIFAR-100 and 1 on ImageNet.
        warmup_share: of all epochs; with w = warmup_share * epochs, `warmup` is
            min((epoch + 1) / w, 1), and 1 for a share of 0. Published are 20 of 240 epochs on
            CIFAR-100 and 1 of 100 on ImageNet.

    Defaults are those of CIFAR-100 in the authors' public code, megvii-research/mdistiller; the
    public code of C²KD, huofushuo/C2KD, compares with the same, but for the warm-up.

    Raises:
        ConfigError: a negative weight, a share that is none, or a temperature that is not above 0.
    """

    couples_samples = False
    same_steps = True
    paper = "Zhao et al., CVPR 2022, arXiv 2203.08679"
    published = "DKD"
    group = "Logit"
    level = "logits"
    look = 6
    one_label = "it sets the label apart from all other classes"
    sources: ClassVar[dict[str, str]] = {
        "alpha": "megvii-research/mdistiller, CIFAR-100; huofushuo/C2KD",
        "beta": "megvii-research/mdistiller, CIFAR-100; huofushuo/C2KD",
        "temperature": "megvii-research/mdistiller, CIFAR-100; huofushuo/C2KD",
        "warmup_share": "megvii-research/mdistiller, CIFAR-100: 20 of 240 epochs",
    }

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        beta: float = 8.0,
        temperature: float = 4.0,
        warmup_share: float = 1 / 12,
    ) -> None:
        super().__init__()
        check_weight("alpha", alpha)
        check_weight("beta", beta)
        check_positive("temperature", temperature)
        if not 0 <= warmup_share <= 1:
            raise ConfigError(
                f"{warmup_share} is not a share", "warmup_share", "Give a number from 0 to 1"
            )
        self.alpha = alpha
        self.beta = beta
        self.temperature = temperature
        self.warmup_share = warmup_share

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        target = teacher.logits.detach()
        parts = decouple(student.logits, target, labels, self.temperature)
        tckd, nckd = (part.mean() for part in parts)
        return {"tckd": tckd, "nckd": nckd}

    @property
    @override
    def weights(self) -> Mapping[str, float]:  # type: ignore[override]
        """They warm up."""
        warmup = self._warmup()
        return {"tckd": warmup * self.alpha, "nckd": warmup * self.beta}

    @override
    def combine(self, task: Tensor, terms: dict[str, Tensor]) -> Tensor:
        """The total with the warm-up multiplied last."""
        return task + self._warmup() * (self.alpha * terms["tckd"] + self.beta * terms["nckd"])

    def _warmup(self) -> float:
        epochs = self.warmup_share * self.epochs
        return min((self.epoch + 1) / epochs, 1) if epochs else 1


def decouple(
    guess: Tensor, target: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """TCKD and NCKD of each sample, both [N] with T² in them, from logits [N, C].

    T² KL(softmax(target / T) || softmax(guess / T)) = TCKD + (1 - p_y) NCKD with p_y the target's
    probability of the label.
    """
    guess, target = guess / temperature, target / temperature
    other_guess, other_target = non_target(guess, labels), non_target(target, labels)
    tckd = divergence(
        _label_and_rest(guess, other_guess, labels), _label_and_rest(target, other_target, labels)
    )
    nckd = divergence(other_guess, other_target)
    return temperature**2 * tckd, temperature**2 * nckd


def non_target(logits: Tensor, labels: Tensor) -> Tensor:
    """[N, C - 1], the logits [N, C] of the classes after each sample's label, going round."""
    classes = logits.shape[-1]
    steps = torch.arange(1, classes, device=labels.device)
    return logits.gather(-1, (labels[:, None] + steps) % classes)


def _label_and_rest(logits: Tensor, others: Tensor, labels: Tensor) -> Tensor:
    """[N, 2], logits whose softmax is the probability of the label and that of all others."""
    label = logits.gather(-1, labels[:, None])
    return torch.cat((label, others.logsumexp(dim=-1, keepdim=True)), dim=-1)
