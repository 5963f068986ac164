"""A few places of every picture, read from maps of whatever size."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS, COLUMNS = 6, 8
"""Tiles of a picture, in each of which a place is drawn. 48 places of 654 pictures, 256 channels
each, are 32 MB, where their maps at an eighth of 480 x 640 would be 3 GB."""


@dataclass(frozen=True, slots=True)
class Positions:
    """P places, the same in every picture.

    Attributes:
        rows: [P], the pixel's row.
        columns: [P], its column.
        size: (H, W) of the pictures, in pixels.
    """

    rows: Tensor
    columns: Tensor
    size: tuple[int, int]

    def of_labels(self, labels: Tensor) -> Tensor:
        """[N, P] from label maps [N, H, W]."""
        return labels[:, self.rows, self.columns]

    def of_maps(self, maps: Tensor) -> Tensor:
        """[N, P, D] from maps [N, D, h, w] of the same pictures.

        As if they were brought to [H, W] bilinearly, which is what logits are before the loss: a
        linear classifier gives the pixel's logits from these features.
        """
        height, width = self.size
        x, y = (2 * self.columns + 1) / width - 1, (2 * self.rows + 1) / height - 1
        grid = torch.stack([x, y], dim=-1).to(maps)[None, None].expand(len(maps), -1, -1, -1)
        found = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
        return found.squeeze(2).transpose(1, 2)


def draw_positions(size: tuple[int, int], generator: torch.Generator) -> Positions:
    """A place in each of ROWS x COLUMNS tiles of pictures of `size`; fewer in smaller pictures."""
    counts = [min(most, edge) for most, edge in zip((ROWS, COLUMNS), size, strict=True)]
    tiles = torch.cartesian_prod(*map(torch.arange, counts))
    draws = torch.rand(tiles.shape, generator=generator).double()
    rows, columns = ((tiles + draws) * torch.tensor(size) / torch.tensor(counts)).long().unbind(1)
    return Positions(rows, columns, size)
