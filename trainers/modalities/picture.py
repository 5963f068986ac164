"""`frames`: the pictures of a clip in the order of time, or one picture, as JPEG files."""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distributed import gpu_memory_left, sent
from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import CPU
from fdsweep.trainers.modalities.base import Arrays, Extent, Inputs, Kind
from fdsweep.trainers.modalities.crops import MEAN, SIZE, STD, Pictures, crop, whole

QUALITY = 90
VIEW = (3, SIZE, SIZE)


@registry.register("frames")
class Frames(Kind):
    """A list of JPEG files of any sizes, short side at most `shape[0]`; views [3, SIZE, SIZE].

    A training view is a random crop of a random frame, the evaluated one the whole middle frame.
    """

    column: ClassVar = pa.list_(pa.binary())
    augmented: ClassVar = True
    framed: ClassVar = True

    @override
    def encode(self, value: Any) -> list[bytes]:
        return [_jpeg(picture, self.shape[0]) for picture in value]

    @override
    def size(self, cell: Any) -> int:
        return sum(map(len, cell))

    @override
    def extent(self, cell: Any) -> Extent:
        return Extent(len(cell), _total(_sizes(cell)))

    @property
    @override
    def numbers(self) -> int:
        return math.prod(VIEW)

    @override
    def hold(
        self, shards: Iterable[Sequence[Any]], samples: int, extent: Extent, threads: int
    ) -> Inputs:
        pixels = torch.empty(extent.nbytes, dtype=torch.uint8)
        sizes, counts, filled = [], [0], 0
        for clips in shards:
            jpegs = [jpeg for clip in clips for jpeg in clip]
            sizes.append(_sizes(jpegs))
            end = filled + _total(sizes[-1])
            _unpack(jpegs, sizes[-1], pixels[filled:end].numpy(), threads)
            filled = end
            counts += [len(clip) for clip in clips]
        return Clips(
            pixels=pixels, sizes=torch.cat(sizes), starts=torch.tensor(counts).cumsum(0)
        )  # fmt: skip

    @override
    def decode(self, cells: Sequence[Any], draws: Tensor | None) -> Arrays:
        places = choose(torch.tensor([len(clip) for clip in cells]), draws).tolist()
        jpegs = [clip[place] for clip, place in zip(cells, places, strict=True)]
        sizes = _sizes(jpegs)
        pixels = np.empty(_total(sizes), np.uint8)
        _unpack(jpegs, sizes, pixels)
        return pixels, sizes.numpy()

    @override
    def view(self, decoded: Arrays, draws: Tensor | None, device: torch.device) -> Tensor:
        pixels, sizes = map(torch.from_numpy, decoded)
        frames = Pictures(sent(pixels, device), _starts(sizes), sizes)
        return whole(frames) if draws is None else crop(frames, draws.cpu())

    @override
    def show(self, axes: Any, sample: Any) -> None:
        axes.imshow((sample.numpy().transpose(1, 2, 0) * STD + MEAN).clip(0, 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Clips:
    """Frames of N samples in memory.

    Attributes:
        pixels: uint8, one frame [3, H, W] after the other.
        sizes: [M, 2], height and width of each frame.
        starts: [N + 1], where each sample's frames begin, in the order of time.
        device: of the batches; the pixels may stay in the memory of the host.
    """

    augmented: ClassVar[bool] = True
    numbers: ClassVar[int] = math.prod(VIEW)

    pixels: Tensor
    sizes: Tensor
    starts: Tensor
    device: torch.device = CPU

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """[B, 3, SIZE, SIZE] for each batch; the evaluated view is the whole middle frame."""
        starts = _starts(self.sizes)
        drawn_of = repeat(None) if draws is None else draws
        for samples, numbers in zip(order, drawn_of, strict=False):
            indices, drawn = samples.cpu(), None if numbers is None else numbers.cpu()
            first, counts = self.starts[indices], self.starts.diff()[indices]
            chosen = first + choose(counts, drawn)
            frames = self._there(starts[chosen], self.sizes[chosen])
            yield whole(frames) if drawn is None else crop(frames, drawn)

    def to(self, device: torch.device) -> "Clips":
        """The same samples; frames move to a GPU if they leave half of what may be taken of it."""
        pixels = self.pixels
        if device.type == "cuda" and 2 * pixels.nbytes < gpu_memory_left(device):
            pixels = pixels.to(device)
        return replace(self, pixels=pixels, device=device)

    def _there(self, starts: Tensor, sizes: Tensor) -> Pictures:
        """The frames of `sizes` [B, 2] that begin at `starts` [B], on the device."""
        if self.pixels.device.type == self.device.type:
            return Pictures(self.pixels, starts, sizes)
        ends = starts + _bytes(sizes)
        parts = [self.pixels[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        return Pictures(sent(torch.cat(parts), self.device), _starts(sizes), sizes)


def choose(counts: Tensor, draws: Tensor | None) -> Tensor:
    """Which of each sample's `counts` [B] frames is shown: the middle one, or one by `draws`."""
    if draws is None:
        return counts // 2
    return (draws[:, 0] * counts).long()


def _jpeg(picture: Image.Image, side: int) -> bytes:
    """`picture` in RGB as a JPEG file, made smaller where its short side is longer than `side`."""
    scale = side / min(picture.size)
    content = io.BytesIO()
    if scale < 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    picture.save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def _sizes(jpegs: Sequence[bytes]) -> Tensor:
    """Height and width [n, 2] of pictures, from their headers."""
    sizes = []
    for jpeg in jpegs:
        with Image.open(io.BytesIO(jpeg)) as picture:
            sizes.append([picture.height, picture.width])
    return torch.tensor(sizes, dtype=torch.long).view(-1, 2)


def _bytes(sizes: Tensor) -> Tensor:
    """How many bytes [n] frames of `sizes` [n, 2] take."""
    return 3 * sizes.prod(dim=1)


def _total(sizes: Tensor) -> int:
    """How many bytes frames of `sizes` [n, 2] take together."""
    return int(_bytes(sizes).sum())


def _starts(sizes: Tensor) -> Tensor:
    """Where each [n] of frames of `sizes` [n, 2] begins, which lie one after the other."""
    lengths = _bytes(sizes)
    return lengths.cumsum(0) - lengths


def _unpack(
    jpegs: Sequence[bytes], sizes: Tensor, pixels: NDArray[np.uint8], threads: int = 1
) -> None:
    """Fill `pixels` with the frames of `sizes` [n, 2], one after the other."""
    parts = torch.from_numpy(pixels).split(_bytes(sizes).tolist())
    frames = [part.view(3, *size) for part, size in zip(parts, sizes.tolist(), strict=True)]

    def decode(place: int) -> None:
        with Image.open(io.BytesIO(jpegs[place])) as picture:
            frames[place].numpy()[:] = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)

    if threads == 1:
        for place in range(len(jpegs)):
            decode(place)
    else:
        with ThreadPoolExecutor(threads) as pool:  # Pillow decodes without the interpreter's lock
            list(pool.map(decode, range(len(jpegs))))
