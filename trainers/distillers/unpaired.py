"""Distillation from teacher samples that belong to other samples: distributions are aligned."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distillers import InnerStep, Outputs, registry
from fdsweep.trainers.distillers.base import (
    WithClassifier,
    check_count,
    check_positive,
    check_weight,
    project,
)
from fdsweep.trainers.features.sinkhorn import sinkhorn

FLOOR = 1e-8
CLIP_NORM = 5.0


@registry.register("unpaired", version=1)
class Unpaired(WithClassifier):
    """Cross-modal distillation without paired data (Tran et al., ICML 2026, arXiv 2606.10504).

    With x [N, D] the features, z the student's logits, y the labels,
    P the identity or, where widths differ, a learned linear map, and the teacher's frozen
    classifier on P(the student's embedding) giving z':

        fa = <Π, C>, C = 1 - cosine(P(x_s), x_t) [N, N], Π = sinkhorn(C) detached
        la = mean of CE(z, y) - κ CE(z', y), κ = softmax(z')_y detached

    Π belongs to the smallest <Π, C> - epsilon H(Π), and so this gradient of `fa` is that minimum's.

    Bilevel, as in the paper: a copy of the student takes `feature_steps` SGD steps on
    weight_fa * fa, then `head_steps` steps of its classifier alone on weight_la * la, and the
    student is given the gradient of the task's loss at the copy. There are no terms; the loop
    reports the inner losses.

    Single-level: the terms `fa` and `la`, with the norm of the gradient clipped at 5.

    Networks that predict every pixel are refused: pixels as samples would make Π a matrix of all
    pixels of a batch by all, and those of one picture are no independent draws to transport.

    Args:
        student_dim: width of the student's features.
        teacher_dim: width of the teacher's features.
        bilevel: which of the two.
        weight_fa: of `fa`.
        weight_la: of `la`.
        epsilon: weight of the plan's entropy.
        iterations: of Sinkhorn's algorithm.
        feature_steps: bilevel only.
        head_steps: bilevel only.
        inner_rate: of the inner steps, a multiple of the learning rate; bilevel only.

    Defaults are the paper's, but for `inner_rate`, which is ours.

    Raises:
        ConfigError: a value out of range; a teacher that is needed and was never attached.
    """

    same_steps = same_epochs = True
    paper = "Tran et al., ICML 2026, arXiv 2606.10504"
    group = "Cross"
    level = "features + logits"
    look = 8
    needs_pairs = False
    student_maps = True
    on_maps = ""
    one_label = "its alignment of labels weighs with the probability of the label"
    trains_if_widths_differ = ("project",)
    sources: ClassVar[dict[str, str]] = {
        "bilevel": "the paper",
        "weight_fa": "the paper: both losses count once",
        "weight_la": "the paper: both losses count once",
        "epsilon": "the paper",
        "iterations": "the paper",
        "feature_steps": "the paper: n₁ = 2",
        "head_steps": "the paper: n₂ = 1",
        "inner_rate": "ours: the optimiser's own",
    }

    def __init__(
        self,
        *,
        student_dim: int,
        teacher_dim: int,
        bilevel: bool = True,
        weight_fa: float = 1.0,
        weight_la: float = 1.0,
        epsilon: float = 0.1,
        iterations: int = 100,
        feature_steps: int = 2,
        head_steps: int = 1,
        inner_rate: float = 1.0,
    ) -> None:
        super().__init__()
        check_weight("weight_fa", weight_fa)
        check_weight("weight_la", weight_la)
        check_positive("epsilon", epsilon)
        check_positive("iterations", iterations)
        check_positive("inner_rate", inner_rate)
        check_count("feature_steps", feature_steps)
        check_count("head_steps", head_steps)
        self.bilevel, self.clip_norm = bilevel, None if bilevel else CLIP_NORM
        self.weight_fa, self.weight_la = weight_fa, weight_la
        self.weights = {} if bilevel else {"fa": weight_fa, "la": weight_la}
        self.epsilon, self.iterations = epsilon, iterations
        self.feature_steps, self.head_steps = feature_steps, head_steps
        self.inner_rate = inner_rate
        self.project = project(student_dim, teacher_dim)

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        if self.bilevel:
            return {}
        fa = self.feature_alignment(student, teacher, labels)
        la = self.label_alignment(student, teacher, labels)
        return {"fa": fa, "la": la}

    @override
    def inner_steps(self) -> tuple[InnerStep, ...]:
        """Steps on `fa`, then of the classifier on `la`; none if single-level."""
        if not self.bilevel:
            return ()
        rate = self.inner_rate
        fa = InnerStep("fa", self.feature_alignment, self.weight_fa, rate)
        la = InnerStep("la", self.label_alignment, self.weight_la, rate, head_only=True)
        return (fa,) * self.feature_steps + (la,) * self.head_steps

    def feature_alignment(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """The scalar `fa`; the order of the teacher's samples does not matter."""
        del labels
        own = F.normalize(self.project(student.features), eps=FLOOR)
        other = F.normalize(teacher.features.detach(), eps=FLOOR)
        cost = 1 - own @ other.T
        return (sinkhorn(cost, self.epsilon, self.iterations) * cost).sum()

    def label_alignment(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """The scalar `la`; of the teacher only its classifier takes part.

        Raises:
            ConfigError: no teacher was attached.
        """
        del teacher
        taught = self.taught(self.project(student.embedding()))
        taught_error = F.cross_entropy(taught, labels, reduction="none")
        kappa = (-taught_error).exp().detach()
        own_error = F.cross_entropy(student.logits, labels, reduction="none")
        return (own_error - kappa * taught_error).mean()
