"""Pictures whose every pixel is known."""

from collections.abc import Sequence

import torch

from fdsweep.trainers.modalities.base import DRAWS
from fdsweep.trainers.modalities.crops import MEAN, STD, Pictures


def gradient(width: int, height: int) -> torch.Tensor:
    """A smooth picture [3, height, width]: red grows to the right, green downwards."""
    right = torch.linspace(0, 255, width).expand(height, width)
    down = torch.linspace(0, 255, height)[:, None].expand(height, width)
    return torch.stack([right, down, (right + down) / 2]).round().byte()


def pictures(frames: Sequence[torch.Tensor]) -> Pictures:
    """Frames [3, H, W] one after the other."""
    lengths = torch.tensor([0, *(frame.numel() for frame in frames)])
    pixels = torch.cat([frame.flatten() for frame in frames])
    sizes = torch.tensor([frame.shape[1:] for frame in frames])
    return Pictures(pixels, lengths.cumsum(0)[:-1], sizes)


def raw(pictures: torch.Tensor) -> torch.Tensor:
    """Normalised pictures back to 0 to 255."""
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))
    return (pictures * std + mean) * 255


def draws(rows: int, seed: int = 0) -> torch.Tensor:
    """What decides the training views of so many samples."""
    return torch.rand(rows, DRAWS, generator=torch.Generator().manual_seed(seed))
