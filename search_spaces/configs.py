"""Everything that decides a replicate's numbers, as values that check themselves.

Where and how a replicate runs is in `trials`: it changes no number, so it must not enter a key.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.keys import (
    ABSENT_IF_UNSET,
    CHANGES_NO_NUMBER,
    content_key,
    told_fields,
)

Pairing = Literal["paired", "shuffled", "same-class", "unpaired"]
TeacherState = Literal["trained", "random"]
TeacherChannels = Literal["ordered", "permuted"]
FeaturePoint = Literal["post-relu", "pre-relu"]
Protocol = Literal["ours", "published"]
ClassWeights = Literal["none", "balanced"]
Sampling = Literal["shuffled", "balanced"]
Option = bool | int | float | str | None

AA_PERTURBATION = 1e-7
"""Relative change of the initial weights in an A/A row: about one rounding of float32."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """How weights are moved; by default as in the FD-CMKD protocol.

    `optimizer` and `schedule` name parts of `trainers.optimisation`, and their versions are as in
    `NetworkConfig`. The learning rate rises to `lr` over the first `warmup_epochs`, then falls
    towards `final_lr` as the schedule says; `power` is that of polynomial decay. `weight_decay` is
    what the optimiser makes of it, and 0 unless it is given, whichever the optimiser is. A batch
    goes through the networks in `accumulate` parts, whose gradients are added up for one step.
    """

    epochs: int = 100
    batch_size: int = 64
    lr: float = 0.01
    final_lr: float = 1e-4
    power: float = 0.9
    momentum: float = 0.9
    weight_decay: float = 0.0
    optimizer: str = field(default="sgd", metadata={ABSENT_IF_UNSET: True})
    optimizer_version: int = field(default=1, metadata={ABSENT_IF_UNSET: True})
    schedule: str = field(default="polynomial", metadata={ABSENT_IF_UNSET: True})
    schedule_version: int = field(default=1, metadata={ABSENT_IF_UNSET: True})
    warmup_epochs: float = field(default=0.0, metadata={ABSENT_IF_UNSET: True})
    accumulate: int = field(default=1, metadata={ABSENT_IF_UNSET: True})

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"{self.epochs} epochs asked for", "--epochs", "Give 1 or more")
        if self.batch_size < 1:
            raise ConfigError(f"a batch of {self.batch_size}", "batch_size", "Give 1 or more")
        if not 1 <= self.accumulate <= self.batch_size:
            what = f"a batch of {self.batch_size} in {self.accumulate} parts"
            raise ConfigError(what, "accumulate", f"Give 1 to {self.batch_size}")
        if not 0 < self.final_lr <= self.lr:
            raise ConfigError(
                f"the learning rate {self.lr} is not between final_lr ({self.final_lr}) and above",
                "lr",
                f"Give {self.final_lr} or more, or a lower final_lr",
            )
        if not 0 <= self.warmup_epochs < self.epochs:
            raise ConfigError(
                f"{self.warmup_epochs:g} of {self.epochs} epochs are a warm-up",
                "warmup_epochs",
                f"Give 0 or more and less than {self.epochs}",
            )
        if not 0 <= self.momentum < 1:
            raise ConfigError(
                f"a momentum of {self.momentum:g}", "momentum", "Give 0 or more and less than 1"
            )
        for name, value in (("weight_decay", self.weight_decay), ("power", self.power)):
            if not 0 <= value < math.inf:
                raise ConfigError(f"{value:g} cannot be used", name, "Give a number of 0 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """One modality's network and how it is trained; this alone decides a teacher.

    The versions are numbers that an author raises when the results of a part change. `pretrained`
    is the digest of the checkpoint that the weights start from, empty for random ones. `task` is
    what the network learns. `weights` is the digest of a teacher that is given as it is, and empty
    for one that is trained. `backbone_options` are those of the backbone that are not its defaults.
    `features` says whether the last block's output is pooled after its final ReLU or before.
    `protocol` "ours" chooses epoch and head on a validation split, "published" on the test split,
    and trains on the rest. `partner` is the other modality's network that a teacher learns beside,
    where the task is to meet it. With `gradient_checkpointing` blocks are computed again in the
    backward pass, to the bit, so that less is held in memory.

    For classes of unequal sizes: `class_weights` "balanced" lets every class weigh the same in the
    task's loss (`Task.balanced_loss`), `sampling` "balanced" shows every class as often as any
    other (`protocol.balance`) where "shuffled" shows every sample once an epoch.

    Raises:
        ConfigError: a feature point, a protocol, or a way with classes that does not exist.
    """

    dataset: str
    data_fingerprint: str
    modality: str
    backbone: str
    backbone_version: int
    loop_version: int
    optim: OptimConfig
    pretrained: str = field(default="", metadata={ABSENT_IF_UNSET: True})
    task: str = field(default="classification", metadata={ABSENT_IF_UNSET: True})
    task_version: int = field(default=1, metadata={ABSENT_IF_UNSET: True})
    weights: str = field(default="", metadata={ABSENT_IF_UNSET: True})
    backbone_options: dict[str, Option] = field(
        default_factory=dict, metadata={ABSENT_IF_UNSET: True}
    )
    gradient_checkpointing: bool = field(default=False, metadata={CHANGES_NO_NUMBER: True})
    features: FeaturePoint = "post-relu"
    protocol: Protocol = "ours"
    class_weights: ClassWeights = field(default="none", metadata={ABSENT_IF_UNSET: True})
    sampling: Sampling = field(default="shuffled", metadata={ABSENT_IF_UNSET: True})
    partner: "NetworkConfig | None" = field(default=None, metadata={ABSENT_IF_UNSET: True})

    def __post_init__(self) -> None:
        for name, kind in [
            ("features", FeaturePoint),
            ("protocol", Protocol),
            ("class_weights", ClassWeights),
            ("sampling", Sampling),
        ]:
            if getattr(self, name) not in get_args(kind):
                where = f"--{name.replace('_', '-')}"
                raise unknown(name, getattr(self, name), get_args(kind), where)

    @property
    def teacher_key(self) -> str:
        """Content key of this network as a teacher trained on its task alone."""
        return content_key(kind="teacher", network=self)


@dataclass(frozen=True, slots=True)
class GivenTeacher:
    """What a teacher that is given as it is has of its own in a `NetworkConfig`."""

    backbone: str
    backbone_version: int
    weights: str
    backbone_options: dict[str, Option] = field(
        default_factory=dict, metadata={ABSENT_IF_UNSET: True}
    )

    def instead_of(self, network: NetworkConfig) -> NetworkConfig:
        """The teacher where `network` would be trained for it."""
        return replace(
            network,
            pretrained="",
            backbone=self.backbone,
            backbone_version=self.backbone_version,
            backbone_options=self.backbone_options,
            weights=self.weights,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StudentConfig:
    """One point of the space in one direction: all that decides a replicate but its seed.

    `teachers` is empty for a method that needs none. `teacher_weights` are theirs, adding up to 1;
    empty where all weigh the same. `pairing` says which teacher sample stands
    beside a student sample: its own, one shuffled within the batch, one drawn from its class,
    or one drawn at random; `pairings` says it for each teacher where they differ, and is empty
    where they do not. `teacher_channels="permuted"` permutes the channels of a teacher's
    features once, `teacher_state="random"` leaves teachers untrained (both are controls).
    `perturbation` changes the student's initial weights by so much, relative to each.

    Raises:
        ConfigError: a word that does not exist, or weights or pairings that are not the teachers'.
    """

    network: NetworkConfig
    method: str
    method_version: int
    options: dict[str, Option] = field(default_factory=dict)
    teachers: tuple[NetworkConfig, ...] = ()
    teacher_state: TeacherState = "trained"
    teacher_channels: TeacherChannels = "ordered"
    pairing: Pairing = "paired"
    perturbation: float = field(default=0.0, metadata={ABSENT_IF_UNSET: True})
    teacher_weights: tuple[float, ...] = field(default=(), metadata={ABSENT_IF_UNSET: True})
    pairings: tuple[Pairing, ...] = field(default=(), metadata={ABSENT_IF_UNSET: True})

    def __post_init__(self) -> None:
        for name, kind in [
            ("pairing", Pairing),
            ("teacher_state", TeacherState),
            ("teacher_channels", TeacherChannels),
        ]:
            if getattr(self, name) not in get_args(kind):
                raise unknown(name, getattr(self, name), get_args(kind), "row")
        for name in ("teacher_weights", "pairings"):
            count = len(getattr(self, name))
            if count not in (0, len(self.teachers)):
                what = f"{count} {name} for {len(self.teachers)} teachers"
                raise ConfigError(what, "row", "Give one for each, or none")

    def key_fields(self) -> dict[str, object]:
        """How the configuration is spelt in a key.

        A single teacher, or none, is spelt `teacher` as when there could be no others, so that
        keys of what is stored last.
        """
        spelt = told_fields(self)
        if len(self.teachers) < 2:
            del spelt["teachers"]
            spelt["teacher"] = self.teachers[0] if self.teachers else None
        return spelt

    @property
    def key(self) -> str:
        """Content key of the results."""
        return content_key(kind="student", student=self)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The student's modality, and those of its teachers; a teacher's own, and its partner's."""
        partners = () if self.network.partner is None else (self.network.partner,)
        return tuple(one.modality for one in (self.network, *self.teachers, *partners))

    @property
    def weight_of_each(self) -> tuple[float, ...]:
        """Each teacher's share in what they teach together; 1 in all."""
        count = len(self.teachers)
        return self.teacher_weights or (1 / count,) * count

    @property
    def pairing_of_each(self) -> tuple[Pairing, ...]:
        """Which sample of each teacher stands beside a student sample."""
        return self.pairings or (self.pairing,) * len(self.teachers)

    @property
    def trained_teachers(self) -> dict[str, NetworkConfig]:
        """The teachers that must be trained before, by their key."""
        if self.teacher_state == "random":
            return {}
        return {teacher.teacher_key: teacher for teacher in self.teachers}

    @property
    def teacher_keys(self) -> tuple[str, ...]:
        """Keys of the teachers that must be trained before."""
        return tuple(self.trained_teachers)
