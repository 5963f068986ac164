"""Intervals, paired differences and exact tests over a handful of seeds.

Why t-intervals and not a bootstrap, and why sign flips: with 3 to 10 seeds percentile and BCa
intervals cover far less than they say, and a sign-flip test holds its level at any n.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

EXACT_UP_TO = 16
FLIPS = 100_000

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
    half = stats.t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return float(x.mean() - half), float(x.mean() + half)


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


def sign_flip_p(differences: ArrayLike, generator: np.random.Generator | None = None) -> float:
    """Two-sided p of the sign-flip test that paired `differences` [n] centre on 0.

    Exact over all 2^n flips for n <= 16; above that 100,000 flips drawn from `generator`.

    Raises:
        ValueError: no difference, one that is not finite, or n > 16 without a `generator`.
    """
    d = _vector(differences)
    n = len(d)
    if n == 0:
        raise ValueError("there is no difference to test")
    reached = abs(d.sum()) - 1e-12 * np.abs(d).sum()
    if n <= EXACT_UP_TO:
        minus = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return float(np.mean(np.abs((1 - 2 * minus) @ d) >= reached))
    if generator is None:
        raise ValueError(f"{n} differences need a generator for the flips")
    signs = generator.choice(np.array([-1, 1], dtype=np.int8), size=(FLIPS, n))
    hits = np.count_nonzero(np.abs(signs @ d) >= reached)
    return float((1 + hits) / (1 + FLIPS))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values of one family, in the order given (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(order), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def detectable_effect(n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true mean difference that a paired t-test over `n` seeds finds with `power`.

    In units of the standard deviation of the paired differences; infinite for n < 2. Two-sided at
    `alpha`, from the noncentral distribution of t squared (scipy's noncentral t has holes).
    """
    if n < 2:
        return math.inf
    limit = stats.f.ppf(1 - alpha, 1, n - 1)

    def missing(effect: float) -> float:
        return power - float(stats.ncf.sf(limit, 1, n - 1, n * effect**2))

    high = 1.0
    while missing(high) > 0:
        high *= 2
    return float(optimize.brentq(missing, 0, high))


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


def _vector(values: ArrayLike) -> Vector:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"not a vector of finite numbers: {values!r}")
    return x
