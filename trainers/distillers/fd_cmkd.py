"""Frequency-decoupled cross-modal distillation, with a switch for each of its components."""

from types import MappingProxyType
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import (
    REDUCTIONS,
    TaskLoss,
    check_choice,
    check_weight,
    label_error,
    mean_squares,
    project,
)
from fdsweep.trainers.features.learned_cutoff import LearnedCutoff
from fdsweep.trainers.features.maps import on_channels
from fdsweep.trainers.features.pixels import Places, labelled, labels_at, resized, rows
from fdsweep.trainers.features.standardise import standardise
from fdsweep.trainers.frequency import (
    check_cutoff,
    random_basis,
    split,
    split_in_basis,
    split_positions,
)

LOSSES = ("mse", "logmse")
BASES = ("fourier", "random")
AXES = ("channels", "positions")
LEARN = "learn"
FLOOR = 1e-8


class Bands(NamedTuple):
    """Parts of features, each as they are; `high` is None where the features are left whole."""

    low: Tensor
    high: Tensor | None


@registry.register("fd-cmkd", version=2)
class FDCMKD(Distiller):
    """Frequency-Decoupled Cross-Modal Knowledge Distillation (arXiv 2511.19887, AAAI 2026).

    With x [N, D] the pooled features before the final ReLU (the student's mapped to the teacher's
    width by a learned linear map where widths differ), y the labels and t detached:

        low   = MSE(std(low_s), std(low_t))
        high  = MSE(σ(std(high_s)), σ(std(high_t)))
        align = Σ over low, high of CE(Φ(ReLU(band_s)), y) + CE(Φ(ReLU(band_t)), y)
        heads = Σ over low, high of CE(band head(ReLU(band_s)), y)
        total = task + weight_low * low + weight_high * high + weight_align * align + heads

    std(x) = (x - mean x) / max(|x - mean x|, 1e-8) and σ(x) = sign(x) log(1 + |x|). A term that is
    switched off is zero; there is no `heads` without band heads. Classifiers Φ and band heads start
    as torch initialises a linear layer, as those of the published code do. Where samples have sets
    of labels, CE is binary, of each class by itself, as the task's loss is.

    Where networks predict every pixel, x is that of each labelled one, and all is as above with
    these as the samples. With axes="positions" the bands are those of each channel's map over its
    positions (`frequency.split_positions`), the student's channels mapped to the teacher's at every
    position: std is over the positions of a channel, void ones too, and a squared error is the mean
    over N and D of the mean or sum over positions. Classifiers Φ and band heads see the bands'
    channels at every position, and their errors are of labelled pixels.

    With cutoff="learn" (the paper's future work) one scalar θ is trained along. Of the bins 1 to
    K = D // 2, bin k goes into the low band with the share

        sigmoid((c K - k) / T),  c = sigmoid(θ),

    and into the high band with the rest. c starts at 1/2; T falls geometrically from K / 8 bins
    in the first epoch to 0.1 in the last, when the bands are nearly those of the fixed cutoff c.
    The gradient of `total` reaches θ through the bands of student and teacher.

    Args:
        num_classes: C.
        student_dim: width of the student's features.
        teacher_dim: width of the teacher's features.
        freq: split into bands. Without, the whole features count as the low band.
        align: classifiers Φ that student and teacher share, one per band.
        scale: std of the bands and no DC in them. Without, DC is in the low band.
        logmse: σ on the high band; needs `freq`.
        cutoff: where the low band ends, a share of the bins above DC, or "learn".
        weight_low: λ₁.
        weight_high: λ₂.
        weight_align: λ₃.
        low_loss: "mse", or "logmse" for σ on the low band as well.
        high_loss: "mse" or "logmse" whatever `logmse` says; None leaves it to `logmse`.
        reduction: squared errors are the mean over N of the "mean" or "sum" over D (or over
            positions, where these are the axes).
        band_heads: the student's own classifiers on its bands, as in the published code. They
            predict too, on unmapped features, and exist only with `freq`.
        basis: "fourier", or "random" for the control that splits in a random orthonormal basis.
        axes: what the bands are taken over, "channels" as in the paper, or "positions", which only
            networks that predict every pixel have.

    Raises:
        ConfigError: a value out of range, logMSE on the high band without `freq`, or a random basis
            or a learned cutoff of positions.
    """

    couples_samples = False
    same_steps = True
    paper = "FD-CMKD, AAAI 2026, arXiv 2511.19887"
    published = "FD-CMKD"
    look = 0
    one_label = ""
    needs_classes = "its classifiers learn labels unless align=false, band_heads=false"
    variants = (
        *("Freq+Align+Scale+LogMSE", "Freq", "Feat", "Align", "Freq+Align", "Freq+Scale"),
        *("Freq+Align+Scale", "+Heads"),
    )
    response_option = "cutoff"
    trains = ("classifiers", "band_heads")
    trains_if_widths_differ = ("project",)
    sources: ClassVar[dict[str, str]] = {
        "freq": "the paper, Table 2",
        "align": "the paper, Table 2",
        "scale": "the paper, Table 2",
        "logmse": "the paper, Table 2",
        "cutoff": "the paper: 1/2",
        "weight_low": "the paper: 1",
        "weight_high": "the paper: 1",
        "weight_align": "the paper: 1",
        "low_loss": "the paper: MSE below the cutoff",
        "high_loss": "the paper: log-MSE above the cutoff, which `logmse` gives",
        "reduction": "the paper: mean",
        "band_heads": "the public code; the paper does not tell of them",
        "basis": "the paper; `random` is ours",
        "axes": "the paper; `positions` is ours",
    }
    absent_if_unset = ("axes",)
    needs = MappingProxyType({"logmse": "freq", "band_heads": "freq"})

    cutoff: float | LearnedCutoff | None
    teacher_basis: Tensor | None
    student_basis: Tensor | None

    def __init__(
        self,
        *,
        num_classes: int,
        student_dim: int,
        teacher_dim: int,
        freq: bool = True,
        align: bool = True,
        scale: bool = True,
        logmse: bool = True,
        cutoff: float | str = 0.5,
        weight_low: float = 1.0,
        weight_high: float = 1.0,
        weight_align: float = 1.0,
        low_loss: str = "mse",
        high_loss: str | None = None,
        reduction: str = "mean",
        band_heads: bool = True,
        basis: str = "fourier",
        axes: str = "channels",
    ) -> None:
        super().__init__()
        if high_loss is None:
            high_loss = "logmse" if logmse else "mse"
        edge = _read_cutoff(cutoff)
        check_weight("weight_low", weight_low)
        check_weight("weight_high", weight_high)
        check_weight("weight_align", weight_align)
        check_choice("low_loss", low_loss, LOSSES)
        check_choice("high_loss", high_loss, LOSSES)
        check_choice("reduction", reduction, REDUCTIONS)
        check_choice("basis", basis, BASES)
        check_choice("axes", axes, AXES)
        if not freq and (logmse or high_loss == "logmse"):
            raise ConfigError(
                "logMSE acts on the high band, and freq=false leaves none",
                "fd-cmkd",
                "Give logmse=false (it is on by default) and no high_loss beside freq=false",
            )
        if axes == "positions" and (basis == "random" or cutoff == LEARN):
            raise ConfigError(
                "a random basis and a learned cutoff are of channels",
                "fd-cmkd",
                "Give axes=channels, or a Fourier basis and a number as the cutoff",
            )
        self.over_positions = self.dense_only = axes == "positions"
        self.on_maps = "maps" if self.over_positions else "pixels"
        self.cutoff = edge if freq else None
        self.same_epochs = not isinstance(self.cutoff, LearnedCutoff)
        self.scale = scale
        self.low_loss, self.high_loss, self.reduction = low_loss, high_loss, reduction
        self.weights = {"low": weight_low, "high": weight_high, "align": weight_align}

        self.project = project(student_dim, teacher_dim)
        parts = ("low", "high") if freq else ("low",)
        self.classifiers = nn.ModuleDict(
            {part: nn.Linear(teacher_dim, num_classes) for part in parts if align}
        )
        self.band_heads = nn.ModuleDict(
            {part: nn.Linear(student_dim, num_classes) for part in parts if band_heads and freq}
        )
        if not self.classifiers and not self.band_heads:
            self.needs_classes = ""
        if self.band_heads:
            self.weights["heads"] = 1.0
        self.widths_differ = student_dim != teacher_dim
        teacher_basis = _draw(teacher_dim) if freq and basis == "random" else None
        student_basis = teacher_basis
        if teacher_basis is not None and self.widths_differ:
            student_basis = _draw(student_dim)
        self.register_buffer("teacher_basis", teacher_basis)
        self.register_buffer("student_basis", student_basis)

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        terms, heads = self._terms_and_heads(student, teacher, labels)
        return terms | _added(heads)

    @override
    def losses(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor, task: TaskLoss
    ) -> dict[str, Tensor]:
        """The total begins with the task's loss and those of the heads, one after the other."""
        own = task(student, labels)
        student, teachers, labels = self.as_seen(student, teachers, labels)
        terms, heads = self._terms_and_heads(student, teachers[0], labels)
        total = self.combine(sum(heads, own), terms)
        return {"task": own, **terms, **_added(heads), "total": total}

    def _terms_and_heads(
        self, student: Outputs, teacher: Outputs, labels: Tensor
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """The terms but `heads`, and the cross-entropy of each head."""
        if self.over_positions:
            student, teacher, labels = _at_logits(student, teacher, labels)
        own = self._bands(student.features, self.student_basis)
        guess = own
        if self.widths_differ:
            mapped = on_channels(self.project, student.features)
            guess = self._bands(mapped, self.teacher_basis)
        target = self._bands(teacher.features.detach(), self.teacher_basis)

        where = labelled(labels) if labels.ndim == 3 else None
        known = labels if where is None else labels[where]
        heads = [
            _cross_entropy(logits, known, where)
            for logits in _classify(self.band_heads, own).values()
        ]
        zero = student.logits.new_zeros(())
        low = self._error(guess.low, target.low, self.low_loss)
        high = zero
        if guess.high is not None and target.high is not None:
            high = self._error(guess.high, target.high, self.high_loss)
        align = zero
        for bands in (guess, target):
            for logits in _classify(self.classifiers, bands).values():
                align = align + _cross_entropy(logits, known, where)
        return {"low": low, "high": high, "align": align}, heads

    @override
    def heads(self, student: Outputs) -> dict[str, Tensor]:
        """The student's logits and, where there are band heads, those of "low" and "high"."""
        heads = super().heads(student)
        if self.band_heads:
            own = self._bands(student.features, self.student_basis)
            heads |= _classify(self.band_heads, own)
        return heads

    @override
    def measures(self) -> dict[str, float]:
        """The cutoff, where it is learned."""
        return {"cutoff": self.cutoff().item()} if isinstance(self.cutoff, LearnedCutoff) else {}

    def _bands(self, features: Tensor, basis: Tensor | None) -> Bands:
        """Those of features [N, D], or of a dense network's [N, D, h, w]."""
        if self.cutoff is None:
            return Bands(features, None)
        if self.over_positions or features.ndim == 2:
            return Bands(*self._split(features, basis))
        low, high = self._split(features.movedim(1, -1), basis)
        return Bands(low.movedim(-1, 1), high.movedim(-1, 1))

    def _split(self, features: Tensor, basis: Tensor | None) -> tuple[Tensor, Tensor]:
        """Bands over the last axis, [..., D], or over positions, [N, D, h, w]."""
        keep_dc = not self.scale
        if isinstance(self.cutoff, LearnedCutoff):
            return self.cutoff.split(features, basis, self.epoch, self.epochs, keep_dc)
        assert self.cutoff is not None
        if self.over_positions:
            return split_positions(features, self.cutoff, keep_dc)
        if basis is None:
            return split(features, self.cutoff, keep_dc)
        return split_in_basis(features, basis, self.cutoff, keep_dc)

    def _error(self, guess: Tensor, target: Tensor, loss: str) -> Tensor:
        if self.over_positions:
            guess, target = guess.flatten(2), target.flatten(2)
        if self.scale:
            guess, target = standardise(guess, FLOOR), standardise(target, FLOOR)
        if loss == "logmse":
            guess, target = _compress(guess), _compress(target)
        return mean_squares(guess, target, self.reduction)


def _read_cutoff(cutoff: float | str) -> float | LearnedCutoff:
    if cutoff == LEARN:
        return LearnedCutoff()
    if isinstance(cutoff, str):
        fix = f"Give a number between 0 and 1, or {LEARN}"
        raise ConfigError(f"{cutoff!r} is neither a number nor {LEARN}", "cutoff", fix)
    check_cutoff(cutoff)
    return cutoff


def _classify(classifiers: nn.ModuleDict, bands: Bands) -> dict[str, Tensor]:
    return {
        part: on_channels(layer, F.relu(getattr(bands, part)))
        for part, layer in classifiers.items()
    }


def _cross_entropy(logits: Tensor, labels: Tensor, where: Places | None) -> Tensor:
    """Of samples [N, C], or of the pixels `where` of [N, C, h, w]: the mean, a scalar."""
    return label_error(logits if where is None else rows(logits, where), labels)


def _at_logits(
    student: Outputs, teacher: Outputs, labels: Tensor
) -> tuple[Outputs, Outputs, Tensor]:
    """Both networks' features, and the labels, at the positions of the student's logits."""
    size = student.logits.shape[2:]
    own, other = (x._replace(features=resized(x.features, *size)) for x in (student, teacher))
    return own, other, labels_at(labels, *size)


def _compress(x: Tensor) -> Tensor:
    return x.sign() * x.abs().log1p()


def _added(heads: list[Tensor]) -> dict[str, Tensor]:
    return {"heads": torch.stack(heads).sum()} if heads else {}


def _draw(dim: int) -> Tensor:
    return random_basis(dim).to(torch.get_default_dtype())
