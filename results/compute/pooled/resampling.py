"""Intervals of what is pooled over data sets, each of which holds a number per seed.

Two questions: other seeds on the same data sets (a t interval: seeds are few, and a bootstrap over
few is too narrow), or other data sets of their kind (two levels: data sets are drawn, then seeds
within each). Every data set weighs the same, however many seeds it has.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000
"""Enough for the tails of five data sets, which lie at 0.1 %."""

MIDDLE = (0.25, 0.75)
"""What an interquartile mean keeps of the runs."""

Vector = NDArray[np.float64]
Span = tuple[float, float]


def mean_of_means(groups: Sequence[ArrayLike]) -> float:
    """Mean over data sets of the mean of each; `groups` holds the numbers of each data set [n].

    Raises:
        ValueError: no data set, or one without a number.
    """
    return float(np.mean([each.mean() for each in _vectors(groups)]))


def fixed_interval(groups: Sequence[ArrayLike], level: float = 0.95) -> Span | None:
    """t interval of `mean_of_means` for other seeds on these data sets.

    With Welch's and Satterthwaite's degrees of freedom: of one data set it is Student's interval.
    None where a data set has fewer than two numbers.

    Raises:
        ValueError: no data set, or one without a number.
    """
    each = _vectors(groups)
    if min(map(len, each)) < 2:
        return None
    squares = np.array([x.var(ddof=1) / len(x) for x in each])
    middle, total = mean_of_means(each), float(squares.sum())
    if total == 0:
        return middle, middle
    from scipy import special  # slow to import

    freedom = total**2 / float(np.sum(squares**2 / [len(x) - 1 for x in each]))
    half = float(special.stdtrit(freedom, (1 + level) / 2)) * math.sqrt(total) / len(each)
    return middle - half, middle + half


def weights(sizes: Sequence[int], generator: np.random.Generator, draws: int = DRAWS) -> Vector:
    """How much each run counts in each of `draws`: [draws, runs], the lines sum to 1.

    Data set k has `sizes[k]` runs, which stand beside each other in their order. A draw takes as
    many data sets as there are, with replacement, and of each data set, as often as it is taken, as
    many of its runs as there are, with replacement again.
    """
    count = len(sizes)
    times = generator.multinomial(count, np.full(count, 1 / count), size=draws)
    drawn = [
        generator.multinomial(times[:, place] * size, np.full(size, 1 / size)) / (size * count)
        for place, size in enumerate(sizes)
    ]
    return np.concatenate(drawn, axis=1)


def level_weights(sizes: Sequence[int]) -> Vector:
    """How much each run counts undrawn: [1, runs], every data set the same."""
    count = len(sizes)
    return np.concatenate([np.full(size, 1 / (size * count)) for size in sizes])[None]


def means(values: ArrayLike, weight: Vector) -> Vector:
    """Weighted means of `values` [runs, ...] by the lines of `weight` [draws, runs]."""
    found: Vector = weight @ np.asarray(values, dtype=np.float64)
    return found


def middle_means(values: ArrayLike, weight: Vector) -> Vector:
    """Weighted interquartile means of `values` [runs] by the lines of `weight`: [draws].

    Runs in order of their values, those that straddle a quartile count by the part that lies
    inside. With equal weights and a multiple of four runs it is the mean without the lowest and
    the highest quarter (Agarwal et al., NeurIPS 2021).
    """
    x = np.asarray(values, dtype=np.float64)
    order = np.argsort(x, kind="stable")
    ends = np.clip(np.cumsum(weight[:, order], axis=1), *MIDDLE)
    kept = np.diff(ends, axis=1, prepend=MIDDLE[0])
    found: Vector = kept @ x[order] / (MIDDLE[1] - MIDDLE[0])
    return found


def drawn_interval(estimates: Vector, datasets: int, level: float = 0.95) -> Vector:
    """The interval of what was estimated in each draw [draws, ...]: [2, ...].

    Expanded percentiles (Hesterberg, The American Statistician 69(4), 2015): where they say 95 %,
    plain ones of five data sets hold the truth 85 % of the time. The tails are those that make the
    interval of a mean of normal data sets as wide as Student's.

    Raises:
        ValueError: there are not two data sets.
    """
    if datasets < 2:
        raise ValueError("other data sets than one cannot be drawn from it")
    from scipy import special  # slow to import

    quantile = float(special.stdtrit(datasets - 1, (1 + level) / 2))
    tail = float(special.ndtr(-quantile * math.sqrt(datasets / (datasets - 1))))
    ends: Vector = np.quantile(estimates, [tail, 1 - tail], axis=0)
    return ends


def _vectors(groups: Sequence[ArrayLike]) -> list[Vector]:
    each = [np.asarray(group, dtype=np.float64) for group in groups]
    if not each or not all(len(x) for x in each):
        raise ValueError("every data set needs a number, and there must be one")
    return each
