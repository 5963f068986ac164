"""Features cut into a low and a high band of a Fourier transform.

FD-CMKD (arXiv 2511.19887): f = rfft(x) over the D channels has bins 0 (DC, the mean) to
K = D // 2. The low band is bins 1 to floor(cutoff * K), the high band the bins above. On maps
`split_positions` does so over the two axes of positions.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fdsweep.search_spaces.errors import ConfigError

ROUNDING = 1e-6
"""Of a frequency in float32, so that one at the very edge is in the low band."""


def split(features: Tensor, cutoff: float = 0.5, keep_dc: bool = False) -> tuple[Tensor, Tensor]:
    """Low and high band of `features` [..., D], each of the same shape.

    low + high = features - mean over D, and low · high = 0. With `keep_dc` the low band holds
    the mean as well. Half precision is computed, and returned, in float32.

    Raises:
        ConfigError: `cutoff` is not between 0 and 1.
    """
    dim = features.shape[-1]
    last = last_low_bin(dim, cutoff)
    x = _full_precision(features)
    bins = F.pad(torch.fft.rfft(x)[..., 1 : last + 1], (1, 0))
    return _complete(x, torch.fft.irfft(bins, n=dim), keep_dc)


def split_in_basis(
    features: Tensor, basis: Tensor, cutoff: float = 0.5, keep_dc: bool = False
) -> tuple[Tensor, Tensor]:
    """`split` in another orthonormal basis: the control for what the Fourier basis is worth.

    Args:
        features: [..., D].
        basis: [D, D], orthonormal rows, the first one constant, as `random_basis` draws it. The
            rows after the first are the low band's directions, as many as the Fourier low band
            has dimensions, then the high band's.
        cutoff: as in `split`.
        keep_dc: as in `split`.

    Raises:
        ConfigError: `cutoff` is not between 0 and 1.
    """
    last = last_low_bin(features.shape[-1], cutoff)
    x = _full_precision(features)
    directions = basis[1 : 2 * last + 1].to(x.dtype)
    with torch.autocast(x.device.type, enabled=False):
        low = (x @ directions.T) @ directions
    return _complete(x, low, keep_dc)


def split_positions(
    maps: Tensor, cutoff: float = 0.5, keep_dc: bool = False
) -> tuple[Tensor, Tensor]:
    """Low and high band of `maps` [..., h, w] over their positions, each of the same shape.

    With fy and fx the frequencies of rfft2, in cycles over the h rows and the w columns, the low
    band is where max(|fy| / (h / 2), |fx| / (w / 2)) <= cutoff, but for DC, the high band is the
    rest. low + high = maps - mean over positions, and low · high = 0. With `keep_dc` the low band
    holds the mean as well. Half precision is computed, and returned, in float32.

    Raises:
        ConfigError: `cutoff` is not between 0 and 1.
    """
    check_cutoff(cutoff)
    x = _full_precision(maps)
    rows, columns = x.shape[-2:]
    fy = torch.fft.fftfreq(rows, device=x.device).abs()
    fx = torch.fft.rfftfreq(columns, device=x.device)
    is_low = torch.maximum(fy[:, None], fx) <= cutoff / 2 + ROUNDING
    is_low[0, 0] = False
    low = torch.fft.irfft2(torch.fft.rfft2(x) * is_low, s=(rows, columns))
    return _complete(x, low, keep_dc, axes=(-2, -1))


def soft_split(
    features: Tensor, cutoff: Tensor, temperature: float, keep_dc: bool = False
) -> tuple[Tensor, Tensor]:
    """`split` with a gradual edge, differentiable in the cutoff as well.

    Bin k of 1 to K goes to the low band with the share sigmoid((cutoff * K - k) / temperature)
    and to the high band with the rest, so low + high is as in `split`; low · high is not 0. As the
    temperature goes to 0 the bands become those of `split`, unless cutoff * K is a whole number:
    that bin stays halved.

    Args:
        features: [..., D].
        cutoff: scalar. It is not checked: beyond 0 or 1 one of the bands empties gradually.
        temperature: width of the edge, in bins.
        keep_dc: as in `split`.

    Raises:
        ConfigError: `temperature` is not above 0.
    """
    x = _full_precision(features)
    dim = x.shape[-1]
    bins = torch.arange(1, dim // 2 + 1, device=x.device)
    shares = F.pad(_low_shares(x, bins, cutoff, temperature), (1, 0))
    return _complete(x, torch.fft.irfft(torch.fft.rfft(x) * shares, n=dim), keep_dc)


def soft_split_in_basis(
    features: Tensor, basis: Tensor, cutoff: Tensor, temperature: float, keep_dc: bool = False
) -> tuple[Tensor, Tensor]:
    """`soft_split` in another orthonormal basis, two of its directions in place of each bin.

    Args:
        features: [..., D].
        basis: [D, D], as in `split_in_basis`.
        cutoff: as in `soft_split`.
        temperature: as in `soft_split`.
        keep_dc: as in `split`.

    Raises:
        ConfigError: `temperature` is not above 0.
    """
    x = _full_precision(features)
    directions = basis[1:].to(x.dtype)
    bins = torch.arange(2, x.shape[-1] + 1, device=x.device) // 2
    shares = _low_shares(x, bins, cutoff, temperature)
    with torch.autocast(x.device.type, enabled=False):
        low = (x @ directions.T * shares) @ directions
    return _complete(x, low, keep_dc)


def random_basis(dim: int) -> Tensor:
    """[D, D] orthonormal rows in float64: the constant one, then a random basis of the rest.

    It is drawn, uniformly, from torch's global generator.
    """
    draws = torch.randn(dim, dim, dtype=torch.float64)
    draws[:, 0] = 1
    columns, upper = torch.linalg.qr(draws)
    basis: Tensor = columns * upper.diagonal().sign()
    return basis.T.contiguous()


def last_low_bin(dim: int, cutoff: float) -> int:
    """floor(cutoff * K) with K = `dim` // 2: the low band is bins 1 to this one, 2 dimensions each.

    A product that rounding alone keeps below a whole number counts as that number (0.29 * 100).

    Raises:
        ConfigError: `cutoff` is not between 0 and 1.
    """
    check_cutoff(cutoff)
    return math.floor(cutoff * (dim // 2) + 1e-9)


def check_cutoff(cutoff: float) -> None:
    """ConfigError unless 0 < `cutoff` < 1."""
    if not 0 < cutoff < 1:
        raise ConfigError(
            f"{cutoff} does not cut the bins in two", "cutoff", "Give a number between 0 and 1"
        )


def _full_precision(features: Tensor) -> Tensor:
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features


def _low_shares(x: Tensor, bins: Tensor, cutoff: Tensor, temperature: float) -> Tensor:
    if not temperature > 0:
        raise ConfigError(f"{temperature} bins wide", "temperature", "Give a number above 0")
    edge = cutoff.to(x.dtype) * (x.shape[-1] // 2)
    return torch.sigmoid((edge - bins) / temperature)


def _complete(
    x: Tensor, low: Tensor, keep_dc: bool, axes: tuple[int, ...] = (-1,)
) -> tuple[Tensor, Tensor]:
    mean = x.mean(dim=axes, keepdim=True)
    return (low + mean if keep_dc else low), x - mean - low
