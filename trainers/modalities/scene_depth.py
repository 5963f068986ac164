"""`scene-depth`: how far every pixel of a scene is away, in millimetres."""

from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.scene import SceneKind

FARTHEST = 2**15 - 1
"""Millimetres: what is farther is kept as this."""

MEAN, STD = 2842.0, 1417.0
"""Millimetres, of the training frames of NYU-Depth V2, as ESANet's public code has them."""


@registry.register("scene-depth")
class SceneDepth(SceneKind):
    """uint16 [H, W], 0 where nothing was measured; views [1, h, w], (depth - MEAN) / STD.

    A pixel without a measurement is 0 in a view, as is what lies outside the picture.
    """

    stored: ClassVar = np.uint16
    dtype: ClassVar = np.int16  # torch hardly reckons with uint16

    @override
    def encode(self, value: Any) -> bytes:
        return super().encode(np.minimum(value, np.uint16(FARTHEST)))

    @override
    def ready(self, values: Tensor) -> Tensor:
        return values.float().sub_(MEAN).div_(STD).masked_fill_(values == 0, 0.0)

    @override
    def show(self, axes: Any, sample: Any) -> None:
        axes.imshow(sample[0].numpy(), cmap="viridis")
