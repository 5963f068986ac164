"""What two sweeps differ in, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.tables import Table
from fdsweep.results.records.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd

Line = tuple[str, str, str]
"""A row of a table: its name, the teacher's modality, the student's."""

Part = Literal["sweep", "rows", "environment"]
Word = Literal[
    "equal to the bit", "within the noise floor", "within noise", "differs", "too few seeds"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two: what it is called, its rows of `results/`, its table and cells."""

    name: str
    manifest: Manifest
    replicates: "pd.DataFrame"
    table: Table
    cells: Mapping[tuple[str, tuple[str, str]], Cell]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A fact that is `first` in one and `second` in the other; None where one has no such fact.

    `lines` are those of the rows in both that it is true of; empty for what concerns whole sweeps.
    An environment's facts are lists of all that occur.
    """

    part: Part
    what: str
    first: Any
    second: Any
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Test scores of a row in both, in percent, over `n` seeds: those in both where there are some.

    `delta` is `second` minus `first` with its 95 % interval: `paired` by seed, else Welch's over
    all seeds of each. `word` is "equal to the bit" where every score of the shared seeds is,
    "within the noise floor" where an A/A row moves as far, "within noise" where the interval
    holds 0.
    """

    row: str
    teacher_modality: str
    student_modality: str
    n: int
    paired: bool
    first: float
    second: float
    delta: float
    delta_ci: tuple[float, float] | None
    word: Word


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """What the `sweeps` differ in: `setup`, rows that only one has, and what came out of others.

    `shared` are the rows that both have, `untried` those of them without a score in one where
    others have scores. Of two `metrics` nothing is compared.
    """

    sweeps: tuple[str, str]
    metrics: tuple[str, str]
    setup: tuple[Difference, ...]
    only_first: tuple[Line, ...]
    only_second: tuple[Line, ...]
    shared: tuple[Line, ...]
    untried: tuple[Line, ...]
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]
