"""Scores of a line of the table, seed by seed, and of two lines beside each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.tables.model import TO_PERCENT

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """A cell's done replicates: scores in percent and wall seconds, and the place of a seed."""

    cell: Cell
    places: dict[int, int]
    selected: Vector
    last: Vector
    best: Vector
    seconds: Vector

    @classmethod
    def of(cls, cell: Cell) -> "Scores":
        """Those of `cell`."""
        names = ("test_score", "test_score_last", "test_score_best", "wall_seconds")
        selected, last, best, seconds = (cell.done[name].to_numpy(np.float64) for name in names)
        places = {int(seed): place for place, seed in enumerate(cell.done.index)}
        return cls(
            cell, places, TO_PERCENT * selected, TO_PERCENT * last, TO_PERCENT * best, seconds
        )

    def by_seed(self) -> dict[int, float]:
        """Seed -> score at the epoch and head that validation chose."""
        return {seed: float(self.selected[place]) for seed, place in self.places.items()}


def paired(scores: Scores, baseline: Scores) -> tuple[Vector, Vector]:
    """Scores of both over the seeds that both have done."""
    seeds = [seed for seed in scores.places if seed in baseline.places]
    return (
        scores.selected[[scores.places[seed] for seed in seeds]],
        baseline.selected[[baseline.places[seed] for seed in seeds]],
    )


def worst_delta(scores: Scores, baseline: Scores, chance: float | None) -> float | None:
    """The difference if failed seeds were at `chance`; None where none failed or it is unknown."""
    failed = {*scores.cell.failed, *baseline.cell.failed}
    if chance is None or not failed:
        return None
    ours, theirs = (
        {**dict.fromkeys(each.cell.failed, chance), **each.by_seed()} for each in (scores, baseline)
    )
    seeds = [seed for seed in ours if seed in theirs]
    if failed.isdisjoint(seeds):
        return None
    return float(np.mean([ours[seed] - theirs[seed] for seed in seeds]))


def mean(values: Vector) -> float | None:
    """Over the `values` that are known; None if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
