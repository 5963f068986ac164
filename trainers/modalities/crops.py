"""Views of pictures: whole batches are cropped, flipped and normalised on the training device."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fdsweep.trainers.modalities.base import CPU

SIZE = 224
"""Height and width of a view."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1], per channel."""

AREA, ASPECT, ATTEMPTS = (0.08, 1.0), (3 / 4, 4 / 3), 10
"""Of RandomResizedCrop (Szegedy et al., CVPR 2015): shares of the area, width by height."""


def crop(frames: Tensor | Sequence[Tensor], aspects: Tensor, draws: Tensor) -> Tensor:
    """A random crop of each frame, resized to SIZE, normalised, half flipped.

    The frames are [B, 3, H, W] uint8, or on a CPU B of [3, H, W] too.

    The crop is that of RandomResizedCrop on a picture of the frame's own aspect [B]: the first of
    ATTEMPTS boxes (area AREA, aspect ASPECT) that lies inside, else the middle with the nearest
    aspect. `draws` [B, DRAWS] decide, the first of which is for the choice of the frame.
    """
    size = torch.stack(_box(aspects, draws[:, 1 : 1 + 2 * ATTEMPTS]), dim=1)
    rest = draws[:, 1 + 2 * ATTEMPTS :]
    corner = rest[:, :2] * (1 - size)
    flip = rest[:, 2] < 0.5
    if isinstance(frames, Tensor) and frames.device.type != "cpu":
        return _cut_together(frames, corner, size, flip)
    return _cut_each(frames, corner, size, flip)


def whole(frames: Tensor) -> Tensor:
    """Whole frames [B, 3, H, W] uint8 resized to SIZE x SIZE and normalised."""
    return _normalise(_resize(frames if frames.device.type == "cpu" else frames.float()))


def _cut_each(
    frames: Tensor | Sequence[Tensor], corner: Tensor, size: Tensor, flip: Tensor
) -> Tensor:
    """Boxes of whole pixels, one after the other: on a CPU three times as fast as all at once."""
    height, width = frames[0].shape[1:]
    pixels = torch.tensor([width, height])
    scale, shift = _normalisation(CPU)
    sizes = (size * pixels).round().long().clamp(min=1)
    corners = (corner * pixels).round().long().minimum(pixels - sizes)
    views = torch.empty(len(frames), 3, SIZE, SIZE)
    boxes = zip(corners.tolist(), sizes.tolist(), flip.tolist(), strict=True)
    for i, ((x, y), (w, h), mirrored) in enumerate(boxes):
        view = _resize(frames[i][None, :, y : y + h, x : x + w])[0]
        views[i].copy_(view.flip(-1) if mirrored else view).mul_(scale).add_(shift)
    return views


def _cut_together(frames: Tensor, corner: Tensor, size: Tensor, flip: Tensor) -> Tensor:
    """All boxes at once, between pixels too, by interpolation without smoothing."""
    (left, top), (width, height) = corner.unbind(1), size.unbind(1)
    side = torch.where(flip, -width, width)
    zero = torch.zeros_like(left)
    rows = [
        torch.stack([side, zero, 2 * left + width - 1], dim=1),
        torch.stack([zero, height, 2 * top + height - 1], dim=1),
    ]
    where = F.affine_grid(
        torch.stack(rows, dim=1).float(), [len(frames), 3, SIZE, SIZE], align_corners=False
    )
    sampled = F.grid_sample(frames.float(), where, padding_mode="border", align_corners=False)
    return _normalise(sampled)


def _resize(pictures: Tensor) -> Tensor:
    return F.interpolate(
        pictures, [SIZE, SIZE], mode="bilinear", antialias=True, align_corners=False
    )


def _box(aspects: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height [B] of each crop, as shares of the picture's, from draws [B, 2 ATTEMPTS]."""
    area = AREA[0] + (AREA[1] - AREA[0]) * draws[:, :ATTEMPTS]
    low, high = (math.log(x) for x in ASPECT)
    shape = torch.exp(low + (high - low) * draws[:, ATTEMPTS:]) / aspects[:, None]
    widths, heights = (area * shape).sqrt(), (area / shape).sqrt()
    inside = (widths <= 1) & (heights <= 1)
    first = inside.int().argmax(dim=1, keepdim=True)
    width, height = widths.gather(1, first)[:, 0], heights.gather(1, first)[:, 0]
    nearest = (aspects.clamp(*ASPECT) / aspects).to(width.dtype)
    found = inside.any(dim=1)
    return (
        torch.where(found, width, nearest.clamp(max=1)),
        torch.where(found, height, (1 / nearest).clamp(max=1)),
    )


def _normalise(pictures: Tensor) -> Tensor:
    """From 0 to 255 to zero mean and unit variance of ImageNet's channels."""
    scale, shift = _normalisation(pictures.device)
    return pictures.float().mul_(scale).add_(shift)


def _normalisation(device: torch.device) -> tuple[Tensor, Tensor]:
    """Scale and shift [3, 1, 1] of values from 0 to 255."""
    mean, std = (torch.tensor(x, device=device).view(3, 1, 1) for x in (MEAN, STD))
    return 1 / (255 * std), -mean / std
