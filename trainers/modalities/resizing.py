"""Parts of pictures of any sizes resized together, in as few operations as one alone: for GPUs.

A resize is linear along either side, so that of a batch is two products of matrices, whose weights
are those of torch's `interpolate(…, mode="bilinear", antialias=True)`.
"""

import torch
from torch import Tensor

from fdsweep.trainers.distributed import sent


def resized(
    pixels: Tensor, first: Tensor, steps: Tensor, sizes: Tensor, mirrored: Tensor, side: int
) -> Tensor:
    """Parts of pictures as squares [B, 3, side, side] float32 from 0 to 255, smoothed if smaller.

    Everything but the pixels lies on the host. For a while the places of the pixels take 8 bytes
    for each number of B parts as high and wide as the largest.

    Args:
        pixels: uint8, flat, on the device of the result.
        first: [B], where in them each part begins: the first channel's upper left pixel.
        steps: [B, (channel, row)], how far it is from one to the next.
        sizes: [B, (height, width)] of the parts, in pixels.
        mirrored: [B], whether left and right change places.
    """
    height, width = sizes.amax(0).tolist()
    scale = (sizes.T / side).double()  # of float32, as interpolate has it
    step = torch.where(mirrored & torch.tensor([[False], [True]]), -scale, scale)
    start = torch.where(step < 0, (side - 0.5) * scale, 0.5 * scale)
    known = torch.cat([first[None], steps.T, sizes.T, start, step, scale.clamp(min=1)])
    numbers = sent(known, pixels.device)  # of float64, where integers are exact up to 2**53
    origin, channel, row, *lengths = numbers[:5].long()[..., None]
    start, step, support = numbers[5:].view(3, 2, -1, 1)

    along = torch.arange(max(height, width), device=pixels.device)
    down = origin + row * along[:height].minimum(lengths[0] - 1)
    across = along[:width].minimum(lengths[1] - 1)
    channels = channel * torch.arange(3, device=pixels.device)
    lines = down[:, :, None] + channels[:, None]
    values = pixels[lines[..., None] + across[:, None, None]].float()  # [B, height, 3, width]

    centres = (start + step * torch.arange(side, device=pixels.device)).float()
    weights = (along + 0.5 - centres[..., None]).abs_()  # [2, B, side, longest]
    weights.div_(support.float()[..., None]).neg_().add_(1).relu_()
    weights.mul_(along < torch.stack(lengths)[..., None])
    weights.div_(weights.sum(-1, keepdim=True))
    vertical, horizontal = weights[0, :, :, :height], weights[1, :, :, :width]
    narrow = values.flatten(1, 2) @ horizontal.mT  # [B, height * 3, side]
    squares: Tensor = vertical @ narrow.view(-1, height, 3 * side)
    return squares.view(-1, side, 3, side).transpose(1, 2)
