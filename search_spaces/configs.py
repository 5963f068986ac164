"""Everything that decides a replicate's numbers, as values that check themselves.

Where and how a replicate runs (storage, address, devices, workers) is not here: it changes no
number, so it must not enter a key.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.keys import ABSENT_IF_UNSET, content_key

Pairing = Literal["paired", "shuffled", "same-class", "unpaired"]
TeacherState = Literal["trained", "random"]
TeacherChannels = Literal["ordered", "permuted"]
TrialKind = Literal["teacher", "student"]
READING_GB = 1.0
"""What a worker may take to read and decode, beside data that it holds."""

LoadingMode = Literal["auto", "resident", "streaming"]
Option = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """SGD with the polynomial decay of the FD-CMKD protocol, stepped once per epoch."""

    epochs: int = 100
    batch_size: int = 64
    lr: float = 0.01
    final_lr: float = 1e-4
    power: float = 0.9
    momentum: float = 0.9
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"{self.epochs} epochs asked for", "--epochs", "Give 1 or more")
        if self.batch_size < 1:
            raise ConfigError(f"a batch of {self.batch_size}", "batch_size", "Give 1 or more")
        if not 0 < self.final_lr <= self.lr:
            raise ConfigError(
                f"the learning rate {self.lr} is not between final_lr ({self.final_lr}) and above",
                "lr",
                f"Give {self.final_lr} or more",
            )

    def lr_at(self, epoch: int) -> float:
        """Learning rate of `epoch`, counted from 0 to epochs - 1."""
        share: float = (1 - epoch / self.epochs) ** self.power
        return self.final_lr + (self.lr - self.final_lr) * share


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """One modality's network and how it is trained; this alone decides a teacher.

    The versions are numbers that an author raises when the results of a part change. `pretrained`
    is the digest of the checkpoint that the weights start from, empty for random ones.
    """

    dataset: str
    data_fingerprint: str
    modality: str
    backbone: str
    backbone_version: int
    loop_version: int
    optim: OptimConfig
    pretrained: str = field(default="", metadata={ABSENT_IF_UNSET: True})

    @property
    def teacher_key(self) -> str:
        """Content key of this network as a teacher trained by cross-entropy."""
        return content_key(kind="teacher", network=self)


@dataclass(frozen=True, kw_only=True, slots=True)
class StudentConfig:
    """One point of the space in one direction: all that decides a replicate but its seed.

    `teacher` is None for a method that needs none. `pairing` says which teacher sample stands
    beside a student sample: its own, one shuffled within the batch, one drawn from its class,
    or one drawn at random. `teacher_channels="permuted"` permutes the channels of the teacher's
    features once, `teacher_state="random"` leaves the teacher untrained (both are controls).
    """

    network: NetworkConfig
    method: str
    method_version: int
    options: dict[str, Option] = field(default_factory=dict)
    teacher: NetworkConfig | None = None
    teacher_state: TeacherState = "trained"
    teacher_channels: TeacherChannels = "ordered"
    pairing: Pairing = "paired"

    def __post_init__(self) -> None:
        for name, kind in [
            ("pairing", Pairing),
            ("teacher_state", TeacherState),
            ("teacher_channels", TeacherChannels),
        ]:
            if getattr(self, name) not in get_args(kind):
                raise unknown(name, getattr(self, name), get_args(kind), "row")

    @property
    def key(self) -> str:
        """Content key of the results."""
        return content_key(kind="student", student=self)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The student's modality, and the teacher's if there is one."""
        networks = (self.network, self.teacher)
        return tuple(network.modality for network in networks if network)

    @property
    def teacher_key(self) -> str:
        """Key of the trained teacher that is needed, empty if none is."""
        if self.teacher is None or self.teacher_state == "random":
            return ""
        return self.teacher.teacher_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Loading:
    """How a worker holds its data: `resident` in memory, `streaming` from the shards.

    `auto` is resident as long as data and reading take at most `memory_gb`, streaming beyond. The
    numbers are the same.
    """

    mode: LoadingMode = "auto"
    memory_gb: float = 8.0

    def __post_init__(self) -> None:
        if self.mode not in get_args(LoadingMode):
            raise unknown("way", self.mode, get_args(LoadingMode), "--loading")
        if not READING_GB <= self.memory_gb < math.inf:
            fix = f"Give {READING_GB:g} or more, which streaming may take"
            raise ConfigError(f"{self.memory_gb} GB", "--memory-gb", fix)


AUTO = Loading()
FEW = Loading(mode="streaming")
"""For a look at few samples of what may be a large set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PointConfig:
    """What the workers of one trial of a search are handed: a point, in one direction or several.

    After each epoch in `rungs` they wait for word whether to go on. The test split is not for them.
    """

    key: str
    configs: tuple[StudentConfig, ...]
    seeds: tuple[int, ...]
    rungs: tuple[int, ...]
    storage: str
    checkpoint_seconds: float = 10.0
    loading: Loading = AUTO


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialConfig:
    """What one trial's workers are handed: a configuration, its seeds, and where things lie.

    `kind` tells whether the network of `config` becomes a teacher in the storage or is itself
    what is measured. `group` names the seeds that were planned together, finished ones included:
    an interrupted trial finds its checkpoint by it. A snapshot is taken after an epoch when
    `checkpoint_seconds` have passed since the last one, and after each replicate.
    """

    kind: TrialKind
    key: str
    config: StudentConfig
    seeds: tuple[int, ...]
    group: str
    storage: str
    checkpoint_seconds: float = 10.0
    loading: Loading = AUTO
