"""Intervals, paired differences and exact tests over a handful of seeds.

Why t-intervals and not a bootstrap, and why sign flips: with 3 to 10 seeds percentile and BCa
intervals cover far less than they say, and a sign-flip test holds its level at any n. A bootstrap
is for people or images, of which there are more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT_UP_TO = 16
FLIPS = 100_000
DRAWS = 2_000
"""Bootstrap samples of people."""

MIN_PEOPLE = 10
"""Below ten a percentile interval that says 95 % covers less than 90 %."""

AT_ONCE = 2_000_000
"""Numbers that an intermediate array may hold."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A row against its baseline over the n seeds that both have.

    `delta` is the mean of the n differences, in the unit of the values; `ci_low`, `ci_high` its
    paired-t interval and `std_diff` (ddof = 1) their spread, None for n < 2. `rho` is Pearson's
    correlation of the pairs: None for n < 3 or where one side does not vary.
    """

    n: int
    delta: float
    ci_low: float | None
    ci_high: float | None
    std_diff: float | None
    rho: float | None


def mean_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float] | None:
    """Student's t interval for the mean of `values` [n]; None for n < 2.

    Raises:
        ValueError: `values` is not a vector of finite numbers.
    """
    x = _vector(values)
    if len(x) < 2:
        return None
    half = _t_quantile((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    middle = x.mean()
    return float(middle - half), float(middle + half)


def paired_difference(
    values: ArrayLike, baseline: ArrayLike, level: float = 0.95
) -> PairedDifference:
    """`values` [n] minus `baseline` [n], where place i of both is the same seed.

    Raises:
        ValueError: the two do not have the same length, have no pair, or are not finite.
    """
    x, y = _vector(values), _vector(baseline)
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"{len(x)} values cannot be paired with {len(y)} of the baseline")
    differences = x - y
    low, high = mean_interval(differences, level) or (None, None)
    spread = float(differences.std(ddof=1)) if len(x) > 1 else None
    varies = len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
    rho = float(np.corrcoef(x, y)[0, 1]) if varies else None
    return PairedDifference(len(x), float(differences.mean()), low, high, spread, rho)


def interval_of(low: float | None, high: float | None) -> tuple[float, float] | None:
    """The interval with these ends; None where they are unknown."""
    return None if low is None or high is None else (low, high)


def half_width(interval: tuple[float, float] | None) -> float | None:
    """How far the ends of a symmetric `interval` lie from its middle; None for none."""
    return None if interval is None else (interval[1] - interval[0]) / 2


def effect_size(difference: PairedDifference) -> float | None:
    """Cohen's d_z, the mean of the differences over their SD; None where they do not vary."""
    return difference.delta / difference.std_diff if difference.std_diff else None


def share_better(differences: ArrayLike) -> float:
    """Share of `differences` [n] above 0, a tie counting half.

    Raises:
        ValueError: no difference, or one that is not finite.
    """
    d = _vector(differences)
    if len(d) == 0:
        raise ValueError("there is no difference to count")
    return float(np.mean((np.sign(d) + 1) / 2))


def equivalent(differences: ArrayLike, margin: float, alpha: float = 0.05) -> bool:
    """Whether paired `differences` [n] show a true mean within ±`margin`, at level `alpha`.

    Two one-sided t-tests (Schuirmann 1987), told from the interval of level 1 - 2 `alpha`; never
    for n < 2.

    Raises:
        ValueError: `differences` is not a vector of finite numbers.
    """
    interval = mean_interval(differences, 1 - 2 * alpha)
    return interval is not None and -margin < interval[0] and interval[1] < margin


def sign_flip_ps(differences: ArrayLike, generator: np.random.Generator | None = None) -> Vector:
    """Two-sided p of the sign-flip test that each line of `differences` [rows, n] centres on 0.

    Exact over all 2^n flips for n <= 16; above that 100,000 flips drawn from `generator`, the same
    for all lines. The result has the shape [rows].

    Raises:
        ValueError: no difference, one that is not finite, or n > 16 without a `generator`.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 2 or d.shape[1] == 0:
        raise ValueError(f"there is no difference to test: {differences!r}")
    _vector(d.ravel())
    n = d.shape[1]
    signs: Vector
    if n <= EXACT_UP_TO:
        # the other half are the same sums with the other sign
        minus = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
        signs = np.where(minus, -1.0, 1.0)
        extra = 0
    elif generator is None:
        raise ValueError(f"{n} differences need a generator for the flips")
    else:
        signs = generator.choice(np.array([-1.0, 1.0]), size=(FLIPS, n))
        extra = 1
    size = max(1, AT_ONCE // len(signs))
    hits = np.concatenate([_reached(signs, d[i : i + size]) for i in range(0, len(d), size)])
    p_values: Vector = (extra + hits) / (extra + len(signs))
    return p_values


def paired_bootstrap(
    samples: ArrayLike,
    hits: ArrayLike,
    baseline_samples: ArrayLike,
    baseline_hits: ArrayLike,
    generator: np.random.Generator,
    level: float = 0.95,
) -> Vector:
    """Percentile intervals of differences in score when other people are drawn: [rows, 2].

    All four arrays are counts [rows, people, parts]: how many test samples each person has in a row
    and in its baseline, and how many of them are right. The score of a draw is the `mean_share` of
    its parts' sums. A draw takes as many people as there are, with replacement, the same for every
    row and its baseline. Seeds are not drawn: pool their counts. With one part, where all seeds
    test the same samples, this is the mean over seeds of the differences.

    Raises:
        ValueError: the shapes differ, fewer than 10 people, or a row in which one has no sample.
    """
    counts = [
        np.asarray(each, dtype=np.float64)
        for each in (hits, samples, baseline_hits, baseline_samples)
    ]
    rows, people, parts = counts[0].shape
    if people < MIN_PEOPLE or any(each.shape != (rows, people, parts) for each in counts):
        shapes = ", ".join(str(each.shape) for each in counts)
        raise ValueError(f"counts {shapes} are not of {MIN_PEOPLE} people or more, the same")
    if not (counts[1].any(axis=2).all() and counts[3].any(axis=2).all()):
        raise ValueError("a person without a test sample cannot be drawn")
    columns = np.moveaxis(np.stack(counts), 2, 0).reshape(people, -1)
    size = max(1, AT_ONCE // max(columns.shape))
    differences = np.empty((DRAWS, rows))
    for start in range(0, DRAWS, size):
        sums = draw_people(min(size, DRAWS - start), people, generator) @ columns
        right, asked, theirs_right, theirs_asked = np.moveaxis(
            sums.reshape(-1, 4, rows, parts), 1, 0
        )
        differences[start : start + size] = mean_share(right, asked) - mean_share(
            theirs_right, theirs_asked
        )
    ends: Vector = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2], axis=0).T
    return ends


def mean_share(hits: ArrayLike, samples: ArrayLike) -> Vector:
    """Mean over the parts that have samples of hits / samples, both [..., parts]; the result [...].

    The accuracy of people is that of one part. Their mIoU has a part for each class, whose samples
    are the pixels of its union and whose hits those of its intersection: a class that is neither in
    the labels nor in the predictions does not count.
    """
    right, asked = np.asarray(hits, dtype=np.float64), np.asarray(samples, dtype=np.float64)
    there = asked > 0
    shares = np.divide(right, asked, out=np.zeros(right.shape), where=there)
    means: Vector = shares.sum(axis=-1) / there.sum(axis=-1)
    return means


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values of one family, in the order given (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(order), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


@cache
def detectable_effect(n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true mean difference that a paired t-test over `n` seeds finds with `power`.

    In units of the standard deviation of the paired differences; infinite for n < 2. Two-sided at
    `alpha`, from the noncentral distribution of t squared (scipy's noncentral t has holes).
    """
    if n < 2:
        return math.inf
    from scipy import special  # slow to import, and scipy.stats three times slower

    limit = float(special.fdtri(1, n - 1, 1 - alpha))

    def is_found(effect: float) -> bool:
        return bool(1 - special.ncfdtr(1, n - 1, n * effect**2, limit) >= power)

    low, high = 0.0, 1.0
    while not is_found(high):
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def smallest_p(n: int) -> float:
    """The smallest two-sided p that a sign-flip test over `n` differences can give."""
    return math.ldexp(2.0, -n)


def seeds_needed(family: int, alpha: float = 0.05) -> int:
    """Fewest seeds with which the best of `family` comparisons can pass Holm at `alpha`.

    Raises:
        ValueError: `family` is below 1.
    """
    if family < 1:
        raise ValueError(f"a family of {family} comparisons needs no seeds")
    return math.ceil(math.log2(2 * family / alpha))


@cache
def _t_quantile(probability: float, freedom: int) -> float:
    from scipy import special  # slow to import

    return float(special.stdtrit(freedom, probability))


def _reached(signs: Vector, differences: Vector) -> NDArray[np.int64]:
    """How many flips [flips, n] sum to at least what each line of `differences` sums to."""
    least = np.abs(differences.sum(axis=1)) - 1e-12 * np.abs(differences).sum(axis=1)
    hits: NDArray[np.int64] = np.count_nonzero(np.abs(signs @ differences.T) >= least, axis=0)
    return hits


def draw_people(draws: int, people: int, generator: np.random.Generator) -> Vector:
    """How often each of `people` is taken, in each of `draws`: [draws, people]."""
    taken = generator.integers(people, size=(draws, people)) + people * np.arange(draws)[:, None]
    times = np.bincount(taken.ravel(), minlength=draws * people)
    return times.reshape(draws, people).astype(np.float64)


def _vector(values: ArrayLike) -> Vector:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"not a vector of finite numbers: {values!r}")
    return x
