"""Views of pictures of any size, made on the training device."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fdsweep.trainers.distributed import sent
from fdsweep.trainers.modalities.resizing import resized

SIZE = 224
"""Height and width of a view."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1], per channel."""

AREA, ASPECT, ATTEMPTS = (0.08, 1.0), (3 / 4, 4 / 3), 10
"""Of RandomResizedCrop (Szegedy et al., CVPR 2015): shares of the area, width by height."""


MOST = 2**25
"""Numbers that a GPU resizes at a time, padding included: those of 64 pictures of 360 x 480."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """B pictures of any sizes.

    Attributes:
        pixels: uint8, flat, on the device of the views: all [3, H, W] of a picture in a row.
        starts: [B], where each picture begins in them; on the host.
        sizes: [B, (H, W)], in pixels; on the host.
    """

    pixels: Tensor
    starts: Tensor
    sizes: Tensor


def crop(pictures: Pictures, draws: Tensor) -> Tensor:
    """A random crop [B, 3, SIZE, SIZE] of each of the pictures, half mirrored, normalised.

    `draws` [B, DRAWS] decide, the first of which is for the choice of the frame.
    """
    mirrored = draws[:, 3 + 2 * ATTEMPTS] < 0.5
    return _views(pictures, boxes(pictures.sizes, draws), mirrored)


def whole(pictures: Pictures) -> Tensor:
    """Whole pictures, stretched to [B, 3, SIZE, SIZE] and normalised.

    That is the published transform of evaluation: a resize to a square, not a crop of the middle.
    """
    sizes = pictures.sizes
    cuts = torch.cat([torch.zeros_like(sizes), sizes.flip(1)], dim=1)
    return _views(pictures, cuts, torch.zeros(len(sizes), dtype=torch.bool))


def normalising(device: torch.device) -> tuple[Tensor, Tensor]:
    """Factor and summand [3, 1, 1] on `device` that pixels from 0 to 255 are normalised with."""
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (MEAN, STD))
    scale, shift = sent(torch.stack([1 / (255 * std), -mean / std]), device)
    return scale, shift


def boxes(sizes: Tensor, draws: Tensor) -> Tensor:
    """Left, top, width and height [B, 4] of crops, in pixels of pictures of `sizes` [B, (H, W)].

    As torchvision's RandomResizedCrop: the first of ATTEMPTS boxes of whole pixels (area AREA,
    aspect ASPECT) that is no larger than the picture, anywhere in it; if none is, the largest in
    its middle with the nearest aspect.
    """
    drawn = draws.double()
    heights, widths = sizes.unbind(1)
    areas = AREA[0] + (AREA[1] - AREA[0]) * drawn[:, 1 : 1 + ATTEMPTS]
    areas = areas * (heights * widths)[:, None]
    low, high = (math.log(aspect) for aspect in ASPECT)
    aspects = torch.exp(low + (high - low) * drawn[:, 1 + ATTEMPTS : 1 + 2 * ATTEMPTS])
    wide = (areas * aspects).sqrt().round().long()
    tall = (areas / aspects).sqrt().round().long()
    inside = (wide > 0) & (wide <= widths[:, None]) & (tall > 0) & (tall <= heights[:, None])
    found, first = inside.any(dim=1), inside.int().argmax(dim=1, keepdim=True)
    widest = (heights * ASPECT[1]).round().long().minimum(widths)
    tallest = (widths / ASPECT[0]).round().long().minimum(heights)
    width = torch.where(found, wide.gather(1, first)[:, 0], widest)
    height = torch.where(found, tall.gather(1, first)[:, 0], tallest)
    right, down = drawn[:, 1 + 2 * ATTEMPTS : 3 + 2 * ATTEMPTS].unbind(1)
    left = torch.where(found, (right * (widths - width + 1)).long(), (widths - width) // 2)
    top = torch.where(found, (down * (heights - height + 1)).long(), (heights - height) // 2)
    return torch.stack([left, top, width, height], dim=1)


def _views(pictures: Pictures, cuts: Tensor, mirrored: Tensor) -> Tensor:
    """What the boxes `cuts` [B, 4] hold of the pictures, some `mirrored` [B], as one batch."""
    device = pictures.pixels.device
    scale, shift = normalising(device)
    views = torch.empty(len(cuts), 3, SIZE, SIZE, device=device)
    squares = _one_by_one if device.type == "cpu" else _together
    done = 0
    for some in squares(pictures, cuts, mirrored):
        views[done : done + len(some)].copy_(some).mul_(scale).add_(shift)
        done += len(some)
    return views


def _one_by_one(pictures: Pictures, cuts: Tensor, mirrored: Tensor) -> Iterator[Tensor]:
    """Squares [1, 3, SIZE, SIZE] in bytes, for which a CPU has a kernel."""
    known = (pictures.starts, pictures.sizes, cuts, mirrored)
    for start, (height, width), (x, y, w, h), flipped in zip(
        *map(Tensor.tolist, known), strict=True
    ):
        picture = pictures.pixels[start : start + 3 * height * width].view(1, 3, height, width)
        cut = picture[..., y : y + h, x : x + w]
        square = F.interpolate(
            cut, [SIZE, SIZE], mode="bilinear", antialias=True, align_corners=False
        )
        yield square.flip(-1) if flipped else square


def _together(pictures: Pictures, cuts: Tensor, mirrored: Tensor) -> Iterator[Tensor]:
    """Squares [b, 3, SIZE, SIZE] in float32, of as many pictures at a time as MOST allows."""
    left, top, width, height = cuts.unbind(1)
    row = pictures.sizes[:, 1]
    first = pictures.starts + top * row + left
    steps = torch.stack([pictures.sizes.prod(1), row], dim=1)
    sizes = torch.stack([height, width], dim=1)
    largest = 3 * max(height.tolist(), default=1) * max(width.tolist(), default=1)
    at_once = max(1, MOST // largest)
    for begin in range(0, len(cuts), at_once):
        part = slice(begin, begin + at_once)
        yield resized(pictures.pixels, first[part], steps[part], sizes[part], mirrored[part], SIZE)
