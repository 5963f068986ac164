"""`frames`: the pictures of a clip in the order of time, or one picture, as JPEG files."""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.base import CPU, Arrays, Inputs, Kind
from fdsweep.trainers.modalities.crops import MEAN, SIZE, STD, crop, whole

STORED = 256
"""Height and width of a frame in memory, whatever its shape was; its aspect is kept beside."""

FRAME, VIEW = (3, STORED, STORED), (3, SIZE, SIZE)


@registry.register("frames")
class Frames(Kind):
    """A list of JPEG files, short side 256; views [3, SIZE, SIZE].

    A training view is a random crop of a random frame, the evaluated one the whole middle frame.
    """

    column: ClassVar = pa.list_(pa.binary())
    augmented: ClassVar = True
    counted: ClassVar = True

    @override
    def encode(self, value: Any) -> list[bytes]:
        return list(value)

    @override
    def size(self, cell: Any) -> int:
        return sum(map(len, cell))

    @override
    def pieces(self, cell: Any) -> int:
        return len(cell)

    @property
    @override
    def numbers(self) -> int:
        return math.prod(VIEW)

    @override
    def nbytes(self, samples: int, pieces: int) -> int:
        return pieces * math.prod(FRAME)

    @override
    def hold(
        self, shards: Iterable[Sequence[Any]], samples: int, pieces: int, threads: int
    ) -> Inputs:
        frames, aspects = torch.empty(pieces, *FRAME, dtype=torch.uint8), torch.empty(pieces)
        counts = [0]
        for clips in shards:
            jpegs = [jpeg for clip in clips for jpeg in clip]
            part = slice(sum(counts), sum(counts) + len(jpegs))
            unpack(jpegs, frames[part].numpy(), aspects[part].numpy(), threads)
            counts += [len(clip) for clip in clips]
        return Clips(frames=frames, aspects=aspects, starts=torch.tensor(counts).cumsum(0))

    @override
    def decode(self, cells: Sequence[Any], draws: Tensor | None) -> Arrays:
        places = choose(torch.tensor([len(clip) for clip in cells]), draws).tolist()
        jpegs = [clip[place] for clip, place in zip(cells, places, strict=True)]
        frames, aspects = np.empty((len(jpegs), *FRAME), np.uint8), np.empty(len(jpegs), np.float32)
        unpack(jpegs, frames, aspects)
        return frames, aspects

    @override
    def view(self, decoded: Arrays, draws: Tensor | None, device: torch.device) -> Tensor:
        frames, aspects = (torch.from_numpy(array).to(device) for array in decoded)
        return whole(frames) if draws is None else crop(frames, aspects, draws.to(device))

    @override
    def show(self, axes: Any, sample: Any) -> None:
        axes.imshow((sample.numpy().transpose(1, 2, 0) * STD + MEAN).clip(0, 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Clips:
    """Frames of N samples in memory.

    Attributes:
        frames: [M, 3, STORED, STORED] uint8, each stretched to a square.
        aspects: [M], width by height of each as it was.
        starts: [N + 1], where each sample's frames begin, in the order of time.
        device: of the batches; the frames may stay in the memory of the host.
    """

    augmented: ClassVar[bool] = True
    numbers: ClassVar[int] = math.prod(VIEW)

    frames: Tensor
    aspects: Tensor
    starts: Tensor
    device: torch.device = CPU

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """[B, 3, SIZE, SIZE] for each batch; the evaluated view is the whole middle frame."""
        if draws is None:
            for indices in order:
                chosen = choose(self._counts(indices), None) + self._first(indices)
                yield whole(self.frames[chosen].to(self.device))
            return
        for indices, numbers in zip(order, draws, strict=True):
            chosen = choose(self._counts(indices), numbers.cpu()) + self._first(indices)
            if self.device.type == "cpu":  # frames are cut where they lie
                frames: Tensor | list[Tensor] = [self.frames[i] for i in chosen.tolist()]
            else:
                frames = self.frames[chosen].to(self.device)
            aspects = self.aspects[chosen].to(self.device)
            yield crop(frames, aspects, numbers.to(self.device))

    def to(self, device: torch.device) -> "Clips":
        """The same samples; frames move to a GPU if they leave half of its free memory."""
        frames = self.frames
        if device.type == "cuda" and 2 * frames.nbytes < torch.cuda.mem_get_info(device)[0]:
            frames = frames.to(device)
        return replace(self, frames=frames, aspects=self.aspects.to(frames.device), device=device)

    def _first(self, indices: Tensor) -> Tensor:
        return self.starts[indices.cpu()].to(self.frames.device)

    def _counts(self, indices: Tensor) -> Tensor:
        places = indices.cpu()
        return (self.starts[places + 1] - self.starts[places]).to(self.frames.device)


def choose(counts: Tensor, draws: Tensor | None) -> Tensor:
    """Which of each sample's `counts` [B] frames is shown: the middle one, or one by `draws`."""
    if draws is None:
        return counts // 2
    return (draws[:, 0].to(counts.device) * counts).long()


def unpack(
    jpegs: Sequence[bytes],
    frames: NDArray[np.uint8],
    aspects: NDArray[np.float32],
    threads: int = 1,
) -> None:
    """Fill `frames` [n, 3, STORED, STORED], stretched to squares, and `aspects` [n] before that."""

    def decode(place: int) -> None:
        with Image.open(io.BytesIO(jpegs[place])) as picture:
            aspects[place] = picture.width / picture.height
            square = picture.convert("RGB").resize((STORED, STORED), Image.Resampling.BILINEAR)
            frames[place] = np.asarray(square).transpose(2, 0, 1)

    if threads == 1:
        for place in range(len(jpegs)):
            decode(place)
    else:
        with ThreadPoolExecutor(threads) as pool:  # Pillow decodes without the interpreter's lock
            list(pool.map(decode, range(len(jpegs))))
