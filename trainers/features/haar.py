"""Haar's wavelet transform: sums and differences of neighbours, over and over.

Both transforms here are orthonormal and scale by 1/√2, one by a division and one by a product: the
last bit differs, and stored numbers rest on either.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def content_and_detail(x: Tensor) -> tuple[Tensor, Tensor]:
    """One level over the last axis: content [..., ceil(C / 2)] and detail [..., floor(C / 2)].

    They are (x_0 + x_1) / √2 and (x_0 - x_1) / √2 of every pair of neighbours. Nothing is padded:
    a last value without a neighbour is content as it is, so the transform is orthonormal for
    every C.
    """
    paired = x.shape[-1] // 2 * 2
    sums, differences = _neighbours(x[..., :paired])
    content = torch.cat((sums / math.sqrt(2), x[..., paired:]), dim=-1)
    return content, differences / math.sqrt(2)


def haar_bands(x: Tensor, levels: int, axis: int = 2) -> tuple[Tensor, list[Tensor]]:
    """Several levels over the axes of `x` from `axis` on, r in number.

    Returns the low band [1, *shape] of the last level, and of each level, the finest first, its
    2^r - 1 high bands, stacked in front: [2^r - 1, *shape]. A level halves every axis; an odd
    one is first made longer by a zero. All squares of the bands add up to those of `x`.
    """
    low, high = x, []
    for _ in range(levels):
        bands = [low]
        for i in range(axis, x.ndim):
            bands = [half for band in bands for half in _halves(band, i)]
        low = bands[0]
        high.append(torch.stack(bands[1:]))
    return low[None], high


def from_haar_bands(
    low: Tensor, high: Sequence[Tensor], positions: Sequence[int], axis: int = 2
) -> Tensor:
    """The x whose `haar_bands` these are; `positions` are the sizes of its axes from `axis` on."""
    whole = low[0]
    sizes = [tuple(positions), *(bands.shape[axis + 1 :] for bands in high[:-1])]
    for bands, size in zip(reversed(high), reversed(sizes), strict=True):
        parts = [whole, *bands]
        for i in reversed(range(axis, whole.ndim)):
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [_joined(*pair, i).narrow(i, 0, size[i - axis]) for pair in pairs]
        (whole,) = parts
    return whole


def _joined(sums: Tensor, differences: Tensor, axis: int) -> Tensor:
    """What `_halves` made these of, with the zero that it may have added."""
    x: Tensor = torch.stack((sums + differences, sums - differences), dim=axis + 1) * 0.5**0.5
    return x.flatten(axis, axis + 1)


def _halves(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    sums, differences = _neighbours(F.pad(x.movedim(axis, -1), (0, x.shape[axis] % 2)))
    return (sums * 0.5**0.5).movedim(-1, axis), (differences * 0.5**0.5).movedim(-1, axis)


def _neighbours(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sums and differences of the last axis's pairs, whose number of values is even."""
    even, odd = x[..., ::2], x[..., 1::2]
    return even + odd, even - odd
