"""Correlations with the teacher's probabilities in place of the probabilities themselves."""

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight, probabilities


@registry.register("dist", version=2)
class DIST(Distiller):
    """Knowledge distillation from a stronger teacher (Huang et al., NeurIPS 2022).

    With p = softmax(z / T) [N, C] of the logits z and Pearson's correlation of two vectors,

        inter = T² mean over samples i of 1 - Pearson(p_s[i, :], p_t[i, :])
        intra = T² mean over classes j of 1 - Pearson(p_s[:, j], p_t[:, j])
        total = task + beta * inter + gamma * intra

    T² stands in the terms, as in the published code. The teacher is detached. A vector that is
    constant counts as uncorrelated and gives no gradient. Where networks predict every pixel, the
    samples are those of the whole batch, as in the published code for segmentation, in which void
    pixels count too. Where samples have sets of labels, p = σ(z / T), each class by itself.

    Args:
        beta: weight of the relations between classes, within a sample.
        gamma: weight of the relations between samples, within a class.
        temperature: T.

    Defaults are those for segmentation in the authors' public code, hunto/DIST_KD, and of the copy
    that C²KD compares with, huofushuo/C2KD. For classification the authors'
    hunto/image_classification_sota multiplies both terms by 2, with T = 1 on ImageNet and 4 on
    CIFAR-100.

    Raises:
        ConfigError: a negative weight, or a temperature that is not above 0.
    """

    same_steps = same_epochs = True
    paper = "Huang et al., NeurIPS 2022, arXiv 2205.10536"
    published = "DIST"
    group = "Logit"
    level = "logits"
    look = 4
    one_label = ""
    needs_classes = "its logits are those of classes"
    sources: ClassVar[dict[str, str]] = {
        "beta": "hunto/DIST_KD, segmentation; huofushuo/C2KD",
        "gamma": "hunto/DIST_KD, segmentation; huofushuo/C2KD",
        "temperature": "hunto/DIST_KD, segmentation; huofushuo/C2KD",
    }

    def __init__(self, *, beta: float = 1.0, gamma: float = 1.0, temperature: float = 1.0) -> None:
        super().__init__()
        check_weight("beta", beta)
        check_weight("gamma", gamma)
        check_positive("temperature", temperature)
        self.weights = {"inter": beta, "intra": gamma}
        self.temperature = temperature

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        guess, target = (
            probabilities(logits / self.temperature, labels)
            for logits in (student.logits, teacher.logits.detach())
        )
        inter = self.temperature**2 * (1 - pearson(guess, target)).mean()
        intra = self.temperature**2 * (1 - pearson(guess.T, target.T)).mean()
        return {"inter": inter, "intra": intra}


def pearson(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of each row of a [N, C] with that of b: [N]; 0 if one is constant."""
    return (_standardise(a) * _standardise(b)).sum(dim=-1)


def _standardise(x: Tensor) -> Tensor:
    """Rows of zero mean and unit length; zero where they vary by no more than rounding."""
    centred = x - x.mean(dim=-1, keepdim=True)
    length: Tensor = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
    rounding = 4 * torch.finfo(x.dtype).eps * torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return centred / length.masked_fill(length <= rounding, torch.inf)
