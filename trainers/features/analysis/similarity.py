"""How alike the features of two networks are, band by band and bin by bin, beside controls.

The motivating figure of FD-CMKD (arXiv 2511.19887) says that the low band of two modalities'
features is alike and the high band is not. Three things make features alike without any knowledge
in common, and each has its control here:

- Features that are never negative, as after a ReLU, all have a positive mean: DC agrees for any
  two networks, and a band that holds DC, or the raw feature, is "alike" by that alone. Another
  sample's partner has the same mean: compare with **shuffled pairs**, not with 0. Where samples are
  places of pictures, partners come from the same place of other pictures: floors lie below and
  a padded edge is one in all of them, which is no knowledge of this picture either.
- A Fourier transform over channels has a meaning only if the order of the channels has one. The
  same number with the channels in another order says what an order is worth: compare with
  **permuted channels**.
- Networks of the same shape that start from the same numbers, as from one checkpoint, keep channels
  that correspond: compare with the second network of another seed, the **other start**. It starts
  from other random numbers, but from the same checkpoint where there is one.

What is above 0 but not above shuffled pairs is the same for all samples; what lies within the
range of the permuted channels any order of the channels would have given; what is gone with
another start came from the start.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import rng
from fdsweep.trainers.frequency import last_low_bin

Array: TypeAlias = NDArray[np.float64]

QUANTITIES = ("raw", "low with DC", "low without DC", "high", "DC alone")
"""Parts of a feature: all of it; the bands of `frequency.split`, the low one with and without the
mean; the mean alone."""

ORDERS = 39
"""Orders of the channels that are drawn. If the real order is worth no more than another, it lies
outside the range of 39 others in at most 5 % of cases."""

DRAWS = 2000
AT_ONCE = 100
"""Draws that are held in memory at the same time."""

LEVEL = 0.95
NOTHING = 1e-12
"""Below this share of its feature's norm a part is rounding, and has no direction."""


class Estimates(NamedTuple):
    """Mean and interval of each quantity and then of each bin, [M] each; NaN for no interval."""

    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """The cosines of one seed, or of several together: what `summarise` takes means of.

    M columns are the `QUANTITIES` and then the bins 0 to K = D // 2 of the Fourier transform.

    Attributes:
        dim: D, channels of the features.
        groups: G different names of subjects or speakers.
        counts: [G] samples of each.
        paired: [G, M] sums over each one's samples.
        shuffled: [G, M] likewise, with the partners of other samples.
        other_start: [G, M] likewise, with the second network of another seed; None without one.
        permuted: [ORDERS, M] sums over all samples, for each order of the channels.
        energy: [M] sums over all samples of a part's share in its feature's squared norm.
    """

    dim: int
    groups: tuple[str, ...]
    counts: Array
    paired: Array
    shuffled: Array
    other_start: Array | None
    permuted: Array
    energy: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Means over the samples of all seeds, the columns as in `Sums`.

    Intervals are 95 % percentile bootstrap intervals over groups, seeds and networks held as they
    are; those of `permuted` are the smallest and the largest mean of any order of the channels.
    `excess` is paired minus shuffled.
    """

    samples: int
    groups: int
    energy: Array
    paired: Estimates
    shuffled: Estimates
    other_start: Estimates | None
    permuted: Estimates
    excess: Estimates


def check_widths(first: int, second: int) -> None:
    """ConfigError unless features of so many channels have a cosine."""
    if first != second:
        raise ConfigError(
            f"a cosine between {first} and {second} channels is not defined",
            "backbones",
            "Choose backbones of the same width",
        )


def cosines(first: Tensor, second: Tensor, cutoff: float = 0.5) -> Tensor:
    """Cosine similarity of paired features, [N, M] in float64.

    The first columns are the `QUANTITIES`, the rest the bins: for bin k the cosine of the angle
    between the complex coefficients, Re(F_k conj(G_k)) / |F_k G_k|. DC alone is a constant vector
    and bin 0 a real number, so theirs is +1 if the two means have the same sign and -1 if not. A
    part that is zero in either feature has no direction: 0.

    Args:
        first: [N, D].
        second: [N, D].
        cutoff: between the bands, as in `frequency.split`.

    Raises:
        ConfigError: the features have different widths, or `cutoff` is not between 0 and 1.
    """
    check_widths(first.shape[1], second.shape[1])
    one, other = _spectrum(first), _spectrum(second)
    products = one.real * other.real + one.imag * other.imag
    lengths = _lengths(one, cutoff) * _lengths(other, cutoff)
    return _by_part(products, cutoff) / lengths


def shuffled_cosines(first: Tensor, second: Tensor, cutoff: float = 0.5) -> Tensor:
    """`cosines` of each feature with every other sample's partner, their mean, [N, M].

    This is what shuffling the pairs gives on average over all ways to shuffle; nothing is drawn.

    Raises:
        ConfigError: as in `cosines`, or there is no other sample.
    """
    n = len(first)
    if n < 2:
        raise ConfigError(
            f"{n} test samples have no other partner", "features", "Give a larger test split"
        )
    paired = cosines(first, second, cutoff)
    one, other = _spectrum(first), _spectrum(second)
    parts = _parts(one, cutoff)
    lengths = _lengths(other, cutoff)
    inverse = 1 / lengths[:, : len(parts)]
    totals = parts * (inverse.T.to(other.dtype) @ other)
    bins = one * (other / lengths[:, len(parts) :]).sum(dim=0).conj()
    with_all = torch.cat([(one @ totals.conj().T).real, bins.real], dim=1) / _lengths(one, cutoff)
    return (with_all - paired) / (n - 1)


def measure(
    first: Tensor,
    second: Tensor,
    stranger: Tensor | None,
    groups: Sequence[str],
    seed: int,
    cutoff: float = 0.5,
    places: Tensor | None = None,
) -> Sums:
    """Compare the features of one seed's networks on the same samples.

    Args:
        first: [N, D] features of one modality.
        second: [N, D] of the other.
        stranger: [N, D] of the other's network of another seed.
        groups: subject or speaker of each sample.
        seed: of the orders in which the second one's channels are put, each the same for all
            samples.
        cutoff: between the bands.
        places: [N] numbers of the places where samples are from; pairs are shuffled among samples
            of the same place. None for samples that have none.

    Raises:
        ConfigError: as in `cosines`, or there are fewer than two samples, or of a place.
    """
    names = tuple(dict.fromkeys(groups))
    place = {name: i for i, name in enumerate(names)}
    of_sample = torch.tensor([place[name] for name in groups])

    def by_group(values: Tensor) -> Array:
        sums = torch.zeros(len(names), values.shape[1], dtype=values.dtype)
        found: Array = sums.index_add(0, of_sample, values.cpu()).numpy()
        return found

    draw = rng.generator(seed, "similarity-channels")
    orders = [torch.randperm(second.shape[1], generator=draw) for _ in range(ORDERS)]
    with _one_thread():
        permuted = [cosines(first, second[:, order], cutoff).sum(dim=0) for order in orders]
    energy = (_energy(first, cutoff) + _energy(second, cutoff)) / 2
    return Sums(
        dim=second.shape[1],
        groups=names,
        counts=np.bincount(of_sample.numpy(), minlength=len(names)).astype(float),
        paired=by_group(cosines(first, second, cutoff)),
        shuffled=by_group(_shuffled(first, second, cutoff, places)),
        other_start=None if stranger is None else by_group(cosines(first, stranger, cutoff)),
        permuted=torch.stack(permuted).cpu().numpy(),
        energy=energy.cpu().numpy(),
    )


def _shuffled(first: Tensor, second: Tensor, cutoff: float, places: Tensor | None) -> Tensor:
    """`shuffled_cosines` [N, M], at each of `places` [N] on its own."""
    if places is None:
        return shuffled_cosines(first, second, cutoff)
    parts = [places == place for place in places.unique()]
    found = [shuffled_cosines(first[part], second[part], cutoff) for part in parts]
    order = torch.cat([part.nonzero().flatten() for part in parts])
    return torch.cat(found)[order.argsort()]


def pool(parts: Sequence[Sums]) -> Sums:
    """Several seeds as one: a group that stands in more than one of them stays one group.

    Where a seed has no other start there is none in the end.
    """
    names = tuple(dict.fromkeys(name for part in parts for name in part.groups))
    place = {name: i for i, name in enumerate(names)}

    with_other_start = all(part.other_start is not None for part in parts)

    def together(field: str) -> Array:
        sums = np.zeros((len(names), *getattr(parts[0], field).shape[1:]))
        for part in parts:
            sums[[place[name] for name in part.groups]] += getattr(part, field)
        return sums

    return Sums(
        dim=parts[0].dim,
        groups=names,
        counts=together("counts"),
        paired=together("paired"),
        shuffled=together("shuffled"),
        other_start=together("other_start") if with_other_start else None,
        permuted=np.sum([part.permuted for part in parts], axis=0),
        energy=np.sum([part.energy for part in parts], axis=0),
    )


def summarise(sums: Sums, draws: int = DRAWS, seed: int = 0) -> Summary:
    """Means of `sums` with their intervals.

    Each of the `draws` takes as many groups as there are, with replacement; the interval holds
    the middle 95 % of the means. All columns see the same draws, which depend on `seed` alone.
    With a single group there is no interval.
    """
    n = sums.counts.sum()

    def estimate(part: Array) -> Estimates:
        return Estimates(part.sum(axis=0) / n, *_bootstrap(part, sums.counts, draws, seed))

    permuted = sums.permuted / n
    return Summary(
        samples=int(n),
        groups=len(sums.groups),
        energy=sums.energy / n,
        paired=estimate(sums.paired),
        shuffled=estimate(sums.shuffled),
        other_start=None if sums.other_start is None else estimate(sums.other_start),
        permuted=Estimates(permuted.mean(axis=0), permuted.min(axis=0), permuted.max(axis=0)),
        excess=estimate(sums.paired - sums.shuffled),
    )


def _bootstrap(sums: Array, counts: Array, draws: int, seed: int) -> tuple[Array, Array]:
    """Ends of the interval of sums [G, M] / counts [G] over drawn groups, [M] each."""
    size, columns = sums.shape
    if size < 2:
        nothing = np.full(columns, np.nan)
        return nothing, nothing
    generator = np.random.default_rng(rng.derive(seed, "similarity-bootstrap"))
    means = np.empty((draws, columns))
    for start in range(0, draws, AT_ONCE):
        rows = min(AT_ONCE, draws - start)
        times = generator.multinomial(size, np.full(size, 1 / size), size=rows)
        means[start : start + rows] = (times @ sums) / (times @ counts)[:, None]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Inside, torch has one thread: many small operations wait longer for several to meet."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _energy(features: Tensor, cutoff: float) -> Tensor:
    """[M] sums over the samples of each part's share in the squared norm; 0 for a zero feature."""
    powers = _spectrum(features).abs().square()
    shares = powers / powers.sum(dim=1, keepdim=True).clamp(min=NOTHING)
    return _by_part(shares, cutoff).sum(dim=0)


def _spectrum(features: Tensor) -> Tensor:
    """Fourier coefficients [N, K + 1], scaled so that inner products are those of `features`.

    All bins count twice, for the negative frequency that rfft leaves out, but DC and, for an even
    width, the last.
    """
    bins: Tensor = torch.fft.rfft(features.double(), norm="ortho")
    twice = slice(1, -1 if features.shape[1] % 2 == 0 else None)
    bins[:, twice] *= math.sqrt(2)
    return bins


def _parts(spectrum: Tensor, cutoff: float) -> Tensor:
    """[Q, K + 1] for a `spectrum` [N, K + 1]: 1 where a bin is in one of the `QUANTITIES`."""
    top = spectrum.shape[1] - 1
    last, bins = last_low_bin(2 * top, cutoff), torch.arange(top + 1, device=spectrum.device)
    parts = [bins >= 0, bins <= last, (bins >= 1) & (bins <= last), bins > last, bins == 0]
    return torch.stack(parts).double()


def _by_part(values: Tensor, cutoff: float) -> Tensor:
    """[N, M] from what each bin adds [N, K + 1]: sums over the parts, then the bins themselves."""
    return torch.cat([values @ _parts(values, cutoff).T, values], dim=1)


def _lengths(bins: Tensor, cutoff: float) -> Tensor:
    """[N, M] norm of each part of coefficients [N, K + 1], infinite where there is nothing."""
    lengths = _by_part(bins.abs().square(), cutoff).sqrt()
    return torch.where(lengths > NOTHING * lengths[:, :1], lengths, torch.inf)
