"""A study's cells and the trials that train them: what is trained, and where and how.

Only configurations and seeds decide numbers; everything else here stays out of keys.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.fields import Direction
from fdsweep.search_spaces.sweep import Row

TrialKind = Literal["teacher", "student"]
LoadingMode = Literal["auto", "resident", "streaming"]
Keep = Literal["best", "all", "none"]
"""Which trained students are kept: of every configuration the one with the best validation score,
those of all seeds, or none."""

READING_GB = 1.0
"""What a worker may take to read and decode, beside data that it holds."""


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
STREAMING = Loading(mode="streaming")
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
    `checkpoint_seconds` have passed since the last one, and after each replicate. A teacher's
    weights are always kept in the storage, a student's if `keeps_student` asks for it; then the
    trial is not done without them. `keep` says which students are kept for the user beside that.
    """

    kind: TrialKind
    key: str
    config: StudentConfig
    seeds: tuple[int, ...]
    group: str
    storage: str
    checkpoint_seconds: float = 10.0
    loading: Loading = AUTO
    keeps_student: bool = False
    keep: Keep = "none"

    @property
    def keeps_weights(self) -> bool:
        """Whether the trained networks become part of the storage."""
        return self.kind == "teacher" or self.keeps_student


@dataclass(frozen=True)
class Cell:
    """One row of the study in one direction."""

    row: Row
    direction: Direction
    config: StudentConfig

    @property
    def name(self) -> str:
        """The cell's words for people."""
        return f"{self.row.name}, {self.direction}"

    @cached_property
    def key(self) -> str:
        """Content key of the cell's results."""
        return self.config.key


@dataclass(frozen=True)
class Plan:
    """The trials that are left of a study, teachers first, and what is done already.

    `done` and `total` count student replicates.
    """

    sweep: str
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    teachers: tuple[TrialConfig, ...]
    students: tuple[TrialConfig, ...]
    done: int
    total: int

    @property
    def left(self) -> int:
        """Replicates to train, teachers included."""
        return sum(len(trial.seeds) for trial in (*self.teachers, *self.students))
