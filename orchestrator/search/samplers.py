"""Samplers by name: what proposes the points of a search. A new one is a new entry here."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from fdsweep.search_spaces.spaces import Dimension

SamplerFactory = Callable[[int, "Sequence[Dimension]"], "BaseSampler"]
"""Makes the sampler of one trial from a seed and what is searched."""


def tpe(seed: int, dimensions: "Sequence[Dimension]") -> "BaseSampler":
    """Tree-structured Parzen estimator over all parameters at once (Bergstra et al. 2011)."""
    from optuna.samplers import TPESampler

    return TPESampler(
        seed=seed,
        multivariate=True,
        group=any(dimension.when for dimension in dimensions),
        constant_liar=True,
        warn_independent_sampling=False,
    )


def random(seed: int, _: "Sequence[Dimension]") -> "BaseSampler":
    """Points drawn at random."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def cmaes(seed: int, _: "Sequence[Dimension]") -> "BaseSampler":
    """Covariance matrix adaptation (Hansen and Ostermeier 2001), for numbers."""
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, warn_independent_sampling=False)


def gp(seed: int, _: "Sequence[Dimension]") -> "BaseSampler":
    """Gaussian process with expected improvement (Snoek et al. 2012)."""
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, warn_independent_sampling=False)


SAMPLERS: dict[str, SamplerFactory] = {"tpe": tpe, "random": random, "cmaes": cmaes, "gp": gp}
