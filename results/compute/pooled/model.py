"""Several sweeps as one comparison: every score in percent, none of them formatted."""

from dataclasses import dataclass
from typing import Literal

from fdsweep.results.compute.tables import TableRow
from fdsweep.search_spaces.configs import Protocol

MIN_DATASETS = 5
"""Data sets from which on they are drawn themselves, and scores are pooled across them."""

Over = Literal["data sets and seeds", "seeds"]
"""What is drawn anew for an interval; what is not drawn is as it is."""

Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A data set in one direction as one sweep has it.

    `heading` names it among the columns. `rows` are lines of the sweep's table, the baseline
    first, without those of A/A; `names` says what each is called in the comparison.
    """

    sweep: str
    dataset: str
    teacher_modality: str
    student_modality: str
    heading: str
    epochs: int
    names: tuple[str, ...]
    rows: tuple[TableRow, ...]

    @property
    def direction(self) -> tuple[str, str]:
        """(teacher modality, student modality)."""
        return self.teacher_modality, self.student_modality

    def row(self, name: str) -> TableRow | None:
        """The line that the comparison calls `name`; None if the sweep has none."""
        return dict(zip(self.names, self.rows, strict=True)).get(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class PooledRow:
    """A row over the `datasets` that have it, each weighing the same.

    `delta` is the mean over data sets of the mean over seeds of the paired difference to the
    baseline, in points, a data set's directions averaged; its 95 % interval `delta_ci` is `over`
    other seeds, or other data sets too. From `MIN_DATASETS` on, for a row that all of them have:
    `iqm`, the interquartile mean of the normalised scores (0: the mean of the baseline's seeds
    there, 1: all right), and `p_better`, the share (0..1) of runs that beat the baseline's run of
    the same seed, ties half, each with an interval over data sets and seeds. None where there is
    no such number; the baseline has an `iqm` alone.
    """

    row: str
    datasets: int
    delta: float | None = None
    delta_ci: Span | None = None
    over: Over | None = None
    iqm: float | None = None
    iqm_ci: Span | None = None
    p_better: float | None = None
    p_better_ci: Span | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """Share of a row's runs, 0..1, whose normalised score is above each of the thresholds.

    `low` and `high` bound its 95 % band, point by point, over data sets and seeds.
    """

    row: str
    thresholds: tuple[float, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooled:
    """What the `sweeps` say together: `columns` by data set, `rows` over all of them.

    The first row is the `baseline`, of all sweeps the same, as are `metric` and `protocol`.
    `profiles` are empty where there are too few data sets. `notes` are whole sentences.
    """

    sweeps: tuple[str, ...]
    baseline: str
    metric: str
    protocol: Protocol
    columns: tuple[Column, ...]
    rows: tuple[PooledRow, ...]
    profiles: tuple[Profile, ...]
    notes: tuple[str, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets, in their order."""
        return tuple(dict.fromkeys(column.dataset for column in self.columns))
