"""What the kinds of a scene share: its picture, its depth and the classes of its pixels.

All samples of a data set have one size. Where the same draws decide, the views of all kinds of a
scene show the same part of it, as large and as mirrored.
"""

import io
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from numpy.typing import DTypeLike, NDArray
from PIL import Image
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distributed import sent
from fdsweep.trainers.modalities.arrays import ArrayKind, Varied
from fdsweep.trainers.modalities.base import Arrays, Extent, Inputs

SCALES = 0.5, 2.0
"""Between which a training view shows its picture, as usual for semantic segmentation."""


class SceneKind(ArrayKind):
    """PNG files of one size [H, W]; training views are at most `shape` (height, width).

    The evaluated view is the whole picture as it is. A training view shows the picture scaled by
    a factor from SCALES and mirrored half of the time: a part of it, as high and wide as the
    picture itself or as `shape` where that is less, and `padding` where the picture ends.

    Attributes:
        stored: type of the numbers in a PNG file; `dtype` is theirs in memory.
        channels: of a view.
        resized: how a view takes its values from the picture.
        padding: the value of a view's pixels outside the picture.
    """

    column: ClassVar = pa.binary()
    augmented: ClassVar = True
    stored: ClassVar[DTypeLike] = np.uint8
    channels: ClassVar[int] = 1
    resized: ClassVar[Literal["bilinear", "nearest"]] = "bilinear"
    padding: ClassVar[float] = 0.0

    @abstractmethod
    def ready(self, values: Tensor) -> Tensor:
        """Whole pictures [B, channels, H, W] of `dtype` as float32 numbers for a network."""

    def finished(self, views: Tensor) -> Tensor:
        """Views [B, channels, h, w] as they are given away."""
        return views

    @override
    def encode(self, value: Any) -> bytes:
        array = np.asarray(value)
        last = (self.channels,) if self.channels > 1 else ()
        if array.shape != (*array.shape[:2], *last) or array.dtype != self.stored:
            named = ", ".join(map(str, ("height", "width", *last)))
            raise ValueError(
                f"a scene of shape {array.shape} in {array.dtype}, not ({named}) in "
                f"{np.dtype(self.stored)}"
            )
        content = io.BytesIO()
        Image.fromarray(array).save(content, "PNG")
        return content.getvalue()

    @property
    @override
    def numbers(self) -> int:
        return self.channels * math.prod(self.shape)

    @override
    def extent(self, cell: Any) -> Extent:
        with Image.open(io.BytesIO(cell)) as picture:
            pixels = picture.width * picture.height
        return Extent(1, pixels * self.channels * np.dtype(self.dtype).itemsize)

    @override
    def array(self, cells: Sequence[Any]) -> NDArray[Any]:
        if not cells:
            return np.empty((0, self.channels, 1, 1), self.dtype)
        return np.stack([self._pixels(cell) for cell in cells])

    @override
    def held(self, values: Tensor) -> Inputs:
        return Varied(values, self.numbers, self.views)

    @override
    def view(self, decoded: Arrays, draws: Tensor | None, device: torch.device) -> Tensor:
        return self.views(sent(torch.from_numpy(decoded[0]), device), draws)

    def views(self, values: Tensor, draws: Tensor | None) -> Tensor:
        """What is seen of pictures [B, channels, H, W]; `draws` [B, DRAWS] as for `decode`."""
        whole = self.ready(values)
        if draws is None:
            return self.finished(whole)
        height, width = values.shape[2:]
        lines = places(height, width, self.shape, draws.cpu())
        lengths = [line.shape[1] for line in lines]
        across, down = sent(torch.cat(lines, dim=1), values.device).split(lengths, dim=1)
        grid = torch.stack(torch.broadcast_tensors(across[:, None], down[:, :, None]), dim=-1)
        seen = F.grid_sample(
            whole, grid, mode=self.resized, padding_mode="border", align_corners=False
        )
        outside = (across.abs() > 1)[:, None] | (down.abs() > 1)[:, :, None]
        return self.finished(seen.masked_fill(outside[:, None], self.padding))

    def _pixels(self, cell: bytes) -> NDArray[Any]:
        """[channels, H, W] of one PNG file."""
        with Image.open(io.BytesIO(cell)) as picture:
            pixels = np.asarray(picture).astype(self.dtype)
        return pixels[None] if self.channels == 1 else pixels.transpose(2, 0, 1)


def places(height: int, width: int, most: Sequence[int], draws: Tensor) -> tuple[Tensor, Tensor]:
    """Where the columns [B, w] and rows [B, h] of training views lie in pictures of that size.

    -1 and 1 are the picture's edges, and what lies beyond is not of it. The first of `draws`
    [B, DRAWS] decides the scale, two the place (across, down), the fourth whether it is mirrored.
    """
    drawn = draws.double()
    least, largest = SCALES
    scale = least + (largest - least) * drawn[:, 0]
    across = _line(width, min(width, most[1]), scale, drawn[:, 1])
    across = torch.where(drawn[:, 3:4] < 0.5, across.flip(1), across)
    down = _line(height, min(height, most[0]), scale, drawn[:, 2])
    return across.float(), down.float()


def _line(length: int, seen: int, scale: Tensor, place: Tensor) -> Tensor:
    """Places [B, seen] along a side of `length`, of which `seen` pixels are shown at `scale` [B].

    A longer side is cut, a shorter one lies between padding; at `place` [B], 0 to 1, either way.
    """
    whole = scale * length
    start = place * (whole - seen)
    centres = torch.arange(seen) + 0.5
    return 2 * (start[:, None] + centres) / whole[:, None] - 1
