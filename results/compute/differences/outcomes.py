"""What came out of the rows that two sweeps have."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fdsweep.results.compute.cells import SCORES, Cell
from fdsweep.results.compute.differences.model import Line, Outcome, Side, Word
from fdsweep.results.compute.pooled.resampling import fixed_interval
from fdsweep.results.compute.statistics import interval_of, paired_difference
from fdsweep.results.compute.tables.scores import Scores

COMPARED = [name for name in SCORES if name != "wall_seconds"]

Vector = NDArray[np.float64]
Span = tuple[float, float]


def outcomes(first: Side, second: Side, shared: Sequence[Line]) -> Iterator[Outcome]:
    """An outcome for each of the `shared` rows that has a score in both."""
    floors: dict[tuple[str, str], float] = {}
    for row in (*first.table.rows, *second.table.rows):
        if row.noise_floor is not None:
            floors[row.direction] = max(row.noise_floor, floors.get(row.direction, 0.0))
    for name, *way in shared:
        direction = way[0], way[1]
        cells = first.cells[name, direction], second.cells[name, direction]
        if all(len(cell.done) for cell in cells):
            yield _outcome(*cells, floors.get(direction))


def _outcome(first: Cell, second: Cell, floor: float | None) -> Outcome:
    ours, theirs = (Scores.of(cell).by_seed() for cell in (first, second))
    seeds = sorted({*ours} & {*theirs})
    x = np.array([ours[seed] for seed in seeds or ours])
    y = np.array([theirs[seed] for seed in seeds or theirs])
    delta, interval = float(y.mean() - x.mean()), _welch(x, y)
    if seeds:
        pairs = paired_difference(y, x)
        delta = pairs.delta
        interval = interval_of(pairs.ci_low, pairs.ci_high)
    return Outcome(
        row=first.row.row,
        teacher_modality=first.row.teacher_modality,
        student_modality=first.row.student_modality,
        n=len(seeds) or min(len(x), len(y)),
        paired=bool(seeds),
        first=float(x.mean()),
        second=float(y.mean()),
        delta=delta,
        delta_ci=interval,
        word=_word(_is_same(first, second, seeds), delta, interval, floor),
    )


def _welch(x: Vector, y: Vector) -> Span | None:
    """Welch's interval of the difference of two means: it is twice the mean of y and -x."""
    half = fixed_interval([y, -x])
    return half and (2 * half[0], 2 * half[1])


def _is_same(first: Cell, second: Cell, seeds: Sequence[int]) -> bool:
    """Whether every score of the `seeds` is the same number in both."""
    ours, theirs = (cell.done.loc[[*seeds], COMPARED].to_numpy(float) for cell in (first, second))
    return bool(seeds) and np.array_equal(ours, theirs, equal_nan=True)


def _word(same: bool, delta: float, interval: Span | None, floor: float | None) -> Word:
    if same:
        return "equal to the bit"
    if interval is None:
        return "too few seeds"
    if floor is not None and abs(delta) <= floor:
        return "within the noise floor"
    return "within noise" if interval[0] <= 0 <= interval[1] else "differs"
