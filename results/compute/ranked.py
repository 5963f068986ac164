"""Test samples ranked by what each class scores, and what rankings gain when others are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdsweep.results.compute.statistics import DRAWS, draw_people
from fdsweep.search_spaces.ranking import Numbers, average_precisions

MIN_DRAWS, WORK = 200, 10**7
"""Bootstrap samples of people at the least, and the numbers up to which there are more."""

MAX_WORK = 5 * WORK
"""Beyond which there is no bootstrap: it would take longer than a report may."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The test samples of a replicate.

    Attributes:
        people: [n], the number of the one each is of.
        truths: [n, C], whether it has a class.
        scores: [n, C], how sure a network is of it.
    """

    people: NDArray[np.int64]
    truths: NDArray[np.bool_]
    scores: NDArray[np.float32]

    def precisions(self) -> Numbers:
        """The average precision of each class, [C]; NaN of one that no sample has."""
        precisions: Numbers = average_precisions(self.truths, self.scores)[0]
        return precisions

    def means(self, times: Numbers) -> Numbers:
        """[draws], the mean average precision where people count [draws, people] times.

        NaN where none of the classes is there.
        """
        found = average_precisions(self.truths, self.scores, times[:, self.people])
        return nan_mean(found)


def ranked_scores(
    rankings: Sequence[Ranking],
    everybody: int,
    people: NDArray[np.int64],
    generator: np.random.Generator,
) -> Numbers | None:
    """The mean over seeds of a row's mean average precision: as it is, and in each draw of people.

    A draw takes as many people as there are, with replacement; seeds are not drawn.

    Args:
        rankings: one of each seed.
        everybody: how many people have a number.
        people: numbers of those that count.
        generator: of the draws.

    Returns:
        [1 + draws] fractions; None where that is more work than `MAX_WORK`.
    """
    size = sum(ranking.truths.size for ranking in rankings)
    draws = int(np.clip(WORK // size, MIN_DRAWS, DRAWS))
    if draws * size > MAX_WORK:
        return None
    times = np.zeros((1 + draws, everybody))
    times[0, people] = 1
    times[1:, people] = draw_people(draws, len(people), generator)
    return nan_mean(np.stack([one.means(times) for one in rankings], 1))


def nan_mean(values: Numbers) -> Numbers:
    """The mean over the last axis of what is no NaN; NaN where nothing is."""
    there = ~np.isnan(values)
    sums, counts = np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1)
    means: Numbers = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means
