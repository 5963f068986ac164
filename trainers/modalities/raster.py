"""`raster`: a small picture, numbers from -1 to 1: float32 of `shape` [channels, height, width]."""

from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import BytesKind


@registry.register("raster")
class Raster(BytesKind):
    """Little-endian bytes; views [channels, height, width].

    Three channels are shown as red, green and blue, of any other number the first in grey.
    """

    dtype: ClassVar = np.float32
    called: ClassVar = "a raster"

    @override
    def show(self, axes: Any, sample: Any) -> None:
        picture = (sample.numpy().transpose(1, 2, 0).clip(-1, 1) + 1) / 2
        if picture.shape[2] == 3:
            axes.imshow(picture)
        else:
            axes.imshow(picture[..., 0], cmap="gray", vmin=0, vmax=1)
