"""Views of pictures of any size, made on the training device."""

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fdsweep.trainers.distributed import sent

SIZE = 224
"""Height and width of a view."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1], per channel."""

AREA, ASPECT, ATTEMPTS = (0.08, 1.0), (3 / 4, 4 / 3), 10
"""Of RandomResizedCrop (Szegedy et al., CVPR 2015): shares of the area, width by height."""


def crop(frames: Sequence[Tensor], draws: Tensor) -> Tensor:
    """A random crop [B, 3, SIZE, SIZE] of each frame [3, H, W] uint8, half mirrored, normalised.

    `draws` [B, DRAWS] decide, the first of which is for the choice of the frame.
    """
    sizes = torch.tensor([frame.shape[1:] for frame in frames])
    cut = (
        frame[:, y : y + height, x : x + width]
        for frame, (x, y, width, height) in zip(frames, boxes(sizes, draws).tolist(), strict=True)
    )
    return _views(cut, (draws[:, 3 + 2 * ATTEMPTS] < 0.5).tolist(), frames[0].device)


def whole(frames: Sequence[Tensor]) -> Tensor:
    """Whole frames [3, H, W] uint8, stretched to [B, 3, SIZE, SIZE] and normalised.

    That is the published transform of evaluation: a resize to a square, not a crop of the middle.
    """
    return _views(frames, [False] * len(frames), frames[0].device)


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


def _views(pictures: Iterable[Tensor], mirrored: Sequence[bool], device: torch.device) -> Tensor:
    """Pictures [3, H, W] uint8 of any sizes as one batch, one after the other."""
    mean, std = (sent(torch.tensor(x), device).view(3, 1, 1) for x in (MEAN, STD))
    scale, shift = 1 / (255 * std), -mean / std
    views = torch.empty(len(mirrored), 3, SIZE, SIZE, device=device)
    for view, picture, flipped in zip(views, pictures, mirrored, strict=True):
        resized = _resize(picture[None])[0]
        view.copy_(resized.flip(-1) if flipped else resized).mul_(scale).add_(shift)
    return views


def _resize(pictures: Tensor) -> Tensor:
    """Smoothed where it makes them smaller; in bytes on a CPU, which has a kernel for them."""
    values = pictures if pictures.device.type == "cpu" else pictures.float()
    return F.interpolate(values, [SIZE, SIZE], mode="bilinear", antialias=True, align_corners=False)
