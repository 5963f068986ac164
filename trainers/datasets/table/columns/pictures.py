"""`picture` and `video`, for classes of samples; `scene` and `depth`, for classes of pixels."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from typing_extensions import override

from fdsweep.trainers.datasets.prepared import FRAMES
from fdsweep.trainers.datasets.table.arrow import file_of
from fdsweep.trainers.datasets.table.columns.base import Column, known
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Damaged

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
VIEW = (480, 640)
"""Height and width of a training view of a scene at most."""

Side = Annotated[int, Field(ge=1, le=4096)]


class Picture(Column):
    """A picture as it is, shown as crops of 224 x 224; with `size`, squeezed to a small square.

    A small picture has `size` x `size` pixels from -1 to 1, always the same ones: it is seen whole.
    """

    kind: ClassVar = "picture"
    suits: ClassVar = "resnet18"
    endings: ClassVar[tuple[str, ...]] = PICTURES
    if_few: ClassVar = {"size": 64, "backbone": "cnn2d"}
    hints: ClassVar = {
        "size": "squeezed to a square of so many pixels; without it crops of 224 x 224",
        "backbone": "small; resnet18 is the default",
    }

    size: Annotated[int, Field(ge=8, le=512)] | None = None

    @property
    @override
    def in_channels(self) -> int:
        return 3

    @property
    @override
    def payload(self) -> Payload:
        return Payload("raster", (3, self.size, self.size)) if self.size else FRAMES

    @override
    def decode(self, raw: Path, cell: str, learnt: bytes | None) -> Any:
        with file_of(raw, cell) as path:
            return self.seen([media.image(path)])

    def seen(self, pictures: list[Image.Image]) -> Any:  # noqa: ANN401
        """What is kept of a sample's pictures: all, or the middle one made small."""
        if not self.size:
            return pictures
        middle = pictures[len(pictures) // 2]
        small = middle.resize((self.size, self.size), Image.Resampling.BICUBIC, reducing_gap=3.0)
        return np.asarray(small, np.float32).transpose(2, 0, 1) / 127.5 - 1


class Video(Picture):
    """Pictures of a video, `per_second` of them and `at_least` so many, each seen as a picture."""

    kind: ClassVar = "video"
    endings: ClassVar = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv", ".mpg", ".mpeg", ".wmv")

    per_second: Annotated[float, Field(gt=0, le=60)] = 1.0
    at_least: Annotated[int, Field(ge=1, le=1000)] = 3

    @override
    def decode(self, raw: Path, cell: str, learnt: bytes | None) -> Any:
        with file_of(raw, cell) as path:
            return self.seen(media.frames(path, per_second=self.per_second, at_least=self.at_least))


class Dense(Column):
    """Pictures of one `height` and `width`, by default those of the first training sample."""

    suits: ClassVar = "deeplab-resnet18"
    endings: ClassVar[tuple[str, ...]] = PICTURES
    dense: ClassVar = True
    measured: ClassVar = ("height", "width")
    hints: ClassVar = {"kind": "scene is a picture in colour, depth one of millimetres in 16 bits"}
    stored: ClassVar[str]

    height: Side | None = None
    width: Side | None = None

    @property
    @override
    def payload(self) -> Payload:
        most = zip((self.height, self.width), VIEW, strict=True)
        return Payload(self.stored, tuple(min(known(side), view) for side, view in most))

    @override
    def settled(self, cells: Mapping[str, str], raw: Path, where: str) -> tuple[Self, bytes | None]:
        if self.height and self.width:
            return self, None
        height, width = VIEW
        for cell in cells.values():
            try:
                with file_of(raw, cell) as path:
                    height, width = self.pixels(path).shape[:2]
            except Damaged:
                continue
            break
        given = {"height": self.height or height, "width": self.width or width}
        return self.model_copy(update=given), None

    @override
    def decode(self, raw: Path, cell: str, learnt: bytes | None) -> Any:
        with file_of(raw, cell) as path:
            pixels = self.pixels(path)
        if pixels.shape[:2] != (self.height, self.width):
            size = " x ".join(map(str, pixels.shape[:2]))
            raise Damaged(f"{cell} of {size} pixels, not {self.height} x {self.width}")
        return pixels

    @abstractmethod
    def pixels(self, path: Path) -> NDArray[Any]:
        """The picture in `path` as [height, width, ...]; Damaged if it is of no use."""


class Scene(Dense):
    """A picture in colour, normalised as ImageNet's."""

    kind: ClassVar = "scene"
    stored: ClassVar = "scene-picture"

    @property
    @override
    def in_channels(self) -> int:
        return 3

    @override
    def pixels(self, path: Path) -> NDArray[Any]:
        return np.asarray(media.image(path))


class Depth(Dense):
    """Millimetres in a picture of 16 bits, 0 where nothing was measured."""

    kind: ClassVar = "depth"
    stored: ClassVar = "scene-depth"

    @property
    @override
    def in_channels(self) -> int:
        return 1

    @override
    def pixels(self, path: Path) -> NDArray[Any]:
        values = media.raster(path)
        if values.dtype == np.uint8 or not 0 <= values.min() <= values.max() < 2**16:
            raise Damaged("depth that is not millimetres in 16 bits")
        return values.astype(np.uint16)
