"""What every distiller is, and the few pieces that they share."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.trainers.backbones import Backbone, init_weights
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.features.pixels import samples

REDUCTIONS = ("mean", "sum")
OWN_HEAD = "logits"
"""Name of the head that is the student's own."""

Group = Literal["Uni", "Logit", "Feature", "Cross", "Combined"]
OnMaps = Literal["pixels", "maps", ""]
TaskLoss = Callable[[Outputs, Tensor], Tensor]
"""From a student's outputs and the labels to the scalar that its task asks to lower."""


class InnerStep(NamedTuple):
    """A step of a copy of the student, taken before the gradient of the total.

    Attributes:
        name: of the loss, among the terms.
        loss: from student, teacher and labels to a scalar.
        weight: of the loss, in the step alone.
        rate: of the plain SGD step, as a multiple of the optimiser's learning rate.
        head_only: move the student's classifier alone.
        teacher: number of the one whose outputs the loss is given.
    """

    name: str
    loss: Callable[[Outputs, Outputs, Tensor], Tensor]
    weight: float = 1.0
    rate: float = 1.0
    head_only: bool = False
    teacher: int = 0


class Distiller(nn.Module, ABC):
    """A method: what a batch loses beside the task, with whatever it trains beside the student.

    What a method is stands in attributes of its class, as plain values: methods are listed from the
    text of their modules (`trainers.imports`). What depends on its options may be set on the
    instance.

    Attributes:
        weights: of every term that `forward` gives, in the running epoch.
        paper: where it was published, for people.
        published: its line in Table 1 of the FD-CMKD paper; empty if it has none.
        sources: where the default of each option is from; "ours" if it is from nowhere.
        absent_if_unset: options that came later than results under the method's version: while
            they have their defaults, keys are spelt without them.
        group: its part of the comparison's table.
        level: what carries the teacher's knowledge: logits, features, maps or several of these.
        look: its place among the 48 looks of the pictures, which no other method of ours has; None
            leaves it to its name.
        variants: names of the rows of its own component study, in the order of their looks.
        response_option: the option whose response the pictures draw; where it is learned, the
            measure of that name says what came of it.
        needs: switch -> the switch without which it does nothing, both options that are bools.
        trains: its parts that have parameters, with default options and features of equal width,
            for people.
        trains_if_widths_differ: those that come on top where the widths differ.
        needs_teacher: False if `forward` takes None in the teacher's place.
        max_teachers: how many teachers `distil` takes. Where there are more, each has an instance
            of the method of its own (`composition.OneEach`), unless it moves its teacher.
        needs_pairs: False if the method is made for teacher samples that belong to other samples.
        moves_teacher: the teacher trains along; gradients then flow into its outputs.
        couples_samples: the terms of a batch are not the mean of those of its parts, so that it
            must go through the networks at once; a method says False where they are.
        student_maps: `forward` reads the student's maps.
        teacher_maps: `forward` reads the teacher's maps, so its outputs cannot be kept.
        on_maps: what it sees where networks predict every pixel: labelled "pixels" as the samples
            of a batch, or the outputs as "maps", features [N, D, h, w] and logits [N, C, h, w]
            with labels [N, H, W]; empty if it cannot be used there.
        dense_only: it can be used there alone.
        one_label: why each sample must have one label; empty if it may have any number of them.
        needs_classes: why labels and logits must be those of classes; empty if it reads neither,
            so that logits may be embeddings.
        same_steps: within an epoch all batches of a size are the same operations on other numbers:
            no branch, draw or option of Python's differs, and nothing is read from the device. A
            GPU can then be given recorded steps (`distributed.recording`).
        same_epochs: neither `epoch` nor `epochs` is read, so that they are the same in all epochs.
        clip_norm: largest norm of the gradient of all that is trained; None leaves it as it is.
        epoch: the running epoch, from 0; the training loop sets it.
        epochs: how many there are in all; the training loop sets it before the first one.
    """

    paper: ClassVar[str] = ""
    published: ClassVar[str] = ""
    sources: ClassVar[Mapping[str, str]] = MappingProxyType({})
    absent_if_unset: ClassVar[tuple[str, ...]] = ()
    look: ClassVar[int | None] = None
    variants: ClassVar[tuple[str, ...]] = ()
    trains: ClassVar[tuple[str, ...]] = ()
    trains_if_widths_differ: ClassVar[tuple[str, ...]] = ()
    group: Group = "Cross"
    level: str = "features"
    response_option: str = ""
    needs: Mapping[str, str] = MappingProxyType({})
    weights: Mapping[str, float] = MappingProxyType({})
    needs_teacher: bool = True
    max_teachers: int = 1
    needs_pairs: bool = True
    moves_teacher: bool = False
    couples_samples: bool = True
    student_maps: bool = False
    teacher_maps: bool = False
    on_maps: OnMaps = "pixels"
    dense_only: bool = False
    one_label: str = "it does not say that a sample may have several labels"
    needs_classes: str = "it does not say that it can do without classes"
    same_steps: bool = False
    same_epochs: bool = False
    clip_norm: float | None = None
    epoch: int = 0
    epochs: int = 1

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        """Named scalar distillation terms of a batch, unweighted; `weights` has theirs.

        Args:
            student: features [N, D_s], logits [N, C], maps if `student_maps`.
            teacher: features [N, D_t], logits [N, C], maps if `teacher_maps`; no gradient flows
                into them unless `moves_teacher`.
            labels: [N], classes as int64; unless `one_label` says why not, also sets of them,
                [N, C] of 0 and 1, where each logit is of its class alone.
        """

    def distil(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor
    ) -> dict[str, Tensor]:
        """`forward` with the one teacher, or None; a method of several teachers overrides this."""
        terms: dict[str, Tensor] = self(student, teachers[0] if teachers else None, labels)
        return terms

    def losses(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor, task: TaskLoss
    ) -> dict[str, Tensor]:
        """All losses of a batch: "task", the distillation terms, and the "total" that is lowered.

        Gradients from different losses meet in the order in which these are made here, and sums
        are rounded in that order: it decides numbers.
        """
        own = task(student, labels)
        terms = self.distil(*self.as_seen(student, teachers, labels))
        return {"task": own, **terms, "total": self.combine(own, terms)}

    def as_seen(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor
    ) -> tuple[Outputs, tuple[Outputs, ...], Tensor]:
        """What `distil` is given of a batch: of dense outputs what `on_maps` says."""
        if labels.ndim < 3 or self.on_maps == "maps":
            return student, teachers, labels
        return samples(student, teachers, labels)

    def combine(self, task: Tensor, terms: dict[str, Tensor]) -> Tensor:
        """The total, task + Σ weight · term, from left to right.

        A method overrides this where the numbers stored under its version were summed otherwise.
        """
        weights, total = self.weights, task
        for name, term in terms.items():
            total = total + weights[name] * term
        return total

    def heads(self, student: Outputs) -> dict[str, Tensor]:
        """Logits [N, C] of every head that can predict, by name; OWN_HEAD is the student's own."""
        return {OWN_HEAD: student.logits}

    def measures(self) -> dict[str, float]:
        """Values by name that deserve a curve beside the terms; read after every epoch."""
        return {}

    def inner_steps(self) -> tuple[InnerStep, ...]:
        """Steps of a copy of the student; the total's gradient is taken where they lead."""
        return ()

    def attach(self, teacher: Backbone) -> None:
        """Take from a teacher, before training, what its outputs do not show."""
        del teacher

    def attach_each(self, teachers: Sequence[Backbone]) -> None:
        """`attach` for all teachers, one after the other."""
        for teacher in teachers:
            self.attach(teacher)


class WithClassifier(Distiller):
    """A method that reads the teacher's classifier: it has a frozen copy, taken by `attach`."""

    teacher_weight: Tensor | None
    teacher_bias: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("teacher_weight", None)
        self.register_buffer("teacher_bias", None)

    @override
    def attach(self, teacher: Backbone) -> None:
        """Copy the teacher's classifier."""
        self.teacher_weight = teacher.classifier.weight.detach().clone()
        self.teacher_bias = teacher.classifier.bias.detach().clone()

    def taught(self, embedding: Tensor) -> Tensor:
        """The teacher's logits [N, C] for an embedding [N, D_t].

        Raises:
            ConfigError: no teacher was attached.
        """
        if self.teacher_weight is None:
            raise ConfigError(
                "the teacher's classifier is missing",
                type(self).__name__.lower(),
                "Call attach(teacher) first",
            )
        return F.linear(embedding, self.teacher_weight, self.teacher_bias)


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


def soft_divergence(guess: Tensor, target: Tensor, temperature: float) -> Tensor:
    """T² KL(softmax(target / T) || softmax(guess / T)) of logits [N, C], the mean over N.

    Gradients flow into both (Hinton, Vinyals, Dean 2015, arXiv 1503.02531, section 2).
    """
    return temperature**2 * divergence(guess / temperature, target / temperature).mean()


def label_error(logits: Tensor, labels: Tensor) -> Tensor:
    """Of logits [N, C] the mean cross-entropy: with classes [N], or of each class with sets [N, C].

    The latter is binary, and its mean is over N and C.
    """
    if _are_sets(labels):
        return F.binary_cross_entropy_with_logits(logits, labels)
    return F.cross_entropy(logits, labels)


def probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """Those of logits [N, C]: of classes that exclude each other, or of each where labels are sets.

    `labels` are classes [N] or sets [N, C].
    """
    return logits.sigmoid() if _are_sets(labels) else F.softmax(logits, dim=-1)


def logit_divergence(guess: Tensor, target: Tensor, temperature: float, labels: Tensor) -> Tensor:
    """`soft_divergence`; where labels are sets [N, C], of each class by itself.

    With p = σ(target / T) and q = σ(guess / T) that is T² KL(p || q) of two Bernoulli variables,
    the mean over N and C.
    """
    if not _are_sets(labels):
        return soft_divergence(guess, target, temperature)
    guess, target = guess / temperature, target / temperature
    shares = target.sigmoid()
    there = shares * (F.logsigmoid(target) - F.logsigmoid(guess))
    absent = (1 - shares) * (F.logsigmoid(-target) - F.logsigmoid(-guess))
    return temperature**2 * (there + absent).mean()


def _are_sets(labels: Tensor) -> bool:
    return labels.ndim == 2


def divergence(guess: Tensor, target: Tensor) -> Tensor:
    """KL(softmax(target) || softmax(guess)) of logits [N, C], for each sample [N]."""
    log_p, log_q = (F.log_softmax(x, dim=-1) for x in (target, guess))
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(dim=-1)


def check_weight(name: str, value: float) -> None:
    """ConfigError unless the weight `value` is a number of 0 or more."""
    if not 0 <= value < math.inf:
        raise ConfigError(f"{value} is not a weight", name, "Give a number of 0 or more")


def check_count(name: str, value: int) -> None:
    """ConfigError unless the number `value` of epochs or steps is 0 or more."""
    if value < 0:
        raise ConfigError(f"{value} is below 0", name, "Give 0 or more")


def check_positive(name: str, value: float) -> None:
    """ConfigError unless `value` is a number above 0."""
    if not 0 < value < math.inf:
        raise ConfigError(f"{value} is too small", name, "Give a number above 0")


def check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """ConfigError unless `value` is one of `allowed`."""
    if value not in allowed:
        raise unknown("value", value, allowed, name)
