"""What every distiller is, and the few pieces that they share."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.errors import ConfigError, unknown
from trainers.backbones import init_weights
from trainers.outputs import Outputs

REDUCTIONS = ("mean", "sum")


class Distiller(nn.Module, ABC):
    """A method: the loss of a batch, with whatever it trains beside the student.

    Attributes:
        needs_teacher: False if `forward` takes None in the teacher's place.
    """

    needs_teacher: ClassVar[bool] = True

    @abstractmethod
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        """Named scalar terms of a batch, unweighted, and their weighted sum "total".

        Args:
            student: features [N, D_s], logits [N, C].
            teacher: features [N, D_t], logits [N, C]; no gradient flows into them.
            labels: [N], classes as int64.
        """

    def heads(self, student: Outputs) -> dict[str, Tensor]:
        """Logits [N, C] of every head that can predict, by name; "logits" is the student's own."""
        return {"logits": student.logits}


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with the protocol's initialisation."""
    layer = nn.Linear(inputs, outputs)
    init_weights(layer)
    return layer


def project(student_dim: int, teacher_dim: int) -> nn.Module:
    """Student features [N, D_s] to the teacher's width: learned if it differs, else identity.

    It serves the distillation terms only and is dropped after training.
    """
    return nn.Identity() if student_dim == teacher_dim else linear(student_dim, teacher_dim)


def mean_squares(guess: Tensor, target: Tensor, reduction: str) -> Tensor:
    """Squared error of [N, D], the mean over N of the mean or sum over D as `reduction` says."""
    mean = F.mse_loss(guess, target)
    return mean if reduction == "mean" else mean * guess.shape[-1]


def check_weight(name: str, value: float) -> None:
    """ConfigError unless the weight `value` is a number of 0 or more."""
    if not 0 <= value < math.inf:
        raise ConfigError(f"{value} is not a weight", name, "Give a number of 0 or more")


def check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """ConfigError unless `value` is one of `allowed`."""
    if value not in allowed:
        raise unknown("value", value, allowed, name)
