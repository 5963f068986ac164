"""What is pooled: of each row and data set, a number per seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.tables.scores import Scores

Vector = NDArray[np.float64]
ALL_RIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Beside:
    """A row and the baseline in one direction of one sweep: seed -> score in percent."""

    sweep: str
    dataset: str
    scores: Mapping[int, float]
    baseline: Mapping[int, float]

    @classmethod
    def of(cls, sweep: str, dataset: str, cell: Cell, baseline: Cell) -> "Beside":
        """Those of two cells."""
        return cls(sweep, dataset, *(Scores.of(each).by_seed() for each in (cell, baseline)))

    @property
    def ceiling(self) -> float:
        """Points that separate the baseline's mean from a perfect score; nan without a baseline."""
        return ALL_RIGHT - float(np.mean([*self.baseline.values()])) if self.baseline else np.nan

    def deltas(self) -> dict[int, float]:
        """Seed -> difference to the baseline's run, in points."""
        return {
            seed: score - self.baseline[seed]
            for seed, score in self.scores.items()
            if seed in self.baseline
        }

    def wins(self) -> dict[int, float]:
        """Seed -> 1 where the baseline's run is beaten, 0 where it wins, 0.5 for a tie."""
        return {seed: (float(np.sign(delta)) + 1) / 2 for seed, delta in self.deltas().items()}

    def normalised(self) -> dict[int, float]:
        """Seed -> share of what the baseline's mean leaves to a perfect score that is gained."""
        return {seed: 1 - (ALL_RIGHT - score) / self.ceiling for seed, score in self.scores.items()}


def by_dataset(
    found: Sequence[Beside], measure: Callable[[Beside], Mapping[int, float]]
) -> dict[str, Vector]:
    """Data set -> `measure` of each run there; a data set without any is left out.

    A run is a seed: the mean over the directions of a sweep, of the seeds that all of them have,
    and over the sweeps that have the seed, which may be the very same replicates.
    """
    runs: dict[str, dict[int, list[float]]] = {}
    for sweep, dataset in dict.fromkeys((one.sweep, one.dataset) for one in found):
        each = [measure(one) for one in found if (one.sweep, one.dataset) == (sweep, dataset)]
        for seed in sorted(set.intersection(*({*one} for one in each))):
            mean = float(np.mean([one[seed] for one in each]))
            runs.setdefault(dataset, {}).setdefault(seed, []).append(mean)
    return {
        dataset: np.array([np.mean(means) for means in seeds.values()])
        for dataset, seeds in runs.items()
    }
